/** A run as the API has it. */
import { Show } from 'solid-js';
import type { TicketAnswer } from '../../protocol/devtools.ts';
import type { RunRequest } from '../../protocol/run.ts';
import { ask, post, segment, token } from '../base/api.ts';
import { attempt, useAnswer } from '../base/use.ts';
import { download } from '../base/download.ts';
import { Panel } from '../parts/basics.tsx';
import type { RunSource } from './source.ts';

export default function RawTab(props: { source: RunSource }) {
  const path = `/api/runs/${segment(props.source.id)}`;
  const request = useAnswer<RunRequest>(() =>
    props.source.isOnline ? `${path}/request` : undefined,
  );
  const exportIt = () =>
    void attempt(async () => {
      const answer = await ask(`${path}/export`);
      download(`run-${props.source.id}.jsonl`, await answer.blob());
      return 'Its history is saved; drop the file on Replay to see it again.';
    });
  const stately = `/devtools/stately?run=${segment(props.source.id)}`;
  /** A new tab has no token: where one is asked for, a ticket goes along. */
  const openWithTicket = (event: MouseEvent) => {
    if (token() === '') return;
    event.preventDefault();
    void attempt(async () => {
      const { ticket } = await post<TicketAnswer>('/api/tickets');
      window.open(`${stately}&ticket=${segment(ticket)}`, '_blank', 'noreferrer');
      return 'It opens in a new tab.';
    });
  };
  return (
    <div class="grid">
      <Show when={props.source.isOnline}>
        <div class="bar">
          <button onClick={exportIt}>Export its history</button>
          <a
            class="button"
            href={stately}
            onClick={openWithTicket}
            target="_blank"
            rel="noreferrer"
          >
            Open in Stately's inspector
          </a>
        </div>
      </Show>
      <div class="columns">
        <Json title="Status" value={props.source.run()} />
        <Show when={props.source.isOnline}>
          <Json title="Request" value={request.data()} />
        </Show>
        <Json title="Last context" value={props.source.steps().at(-1)?.context} />
      </div>
    </div>
  );
}

function Json(props: { title: string; value: unknown }) {
  return (
    <Panel title={props.title}>
      <pre class="json" tabIndex={0}>
        {JSON.stringify(props.value, null, 2) ?? '–'}
      </pre>
    </Panel>
  );
}
