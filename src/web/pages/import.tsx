/** Replays the exported history of a run: read here, sent nowhere. */
import { Show, createSignal } from 'solid-js';
import { readExport } from '../../protocol/history-export.ts';
import type { RunExport } from '../../protocol/history-export.ts';
import { RunView } from '../run/view.tsx';
import { withoutNoise } from '../run/source.ts';
import type { RunSource } from '../run/source.ts';
import { announce } from '../base/use.ts';
import '../styles/import.css';

/** Outlives the page, so that its tabs have addresses. */
const [read, setRead] = createSignal<{ name: string; history: RunExport }>();

export default function ImportPage(props: { params: Record<string, string> }) {
  const [fault, setFault] = createSignal('');
  const [isOver, setOver] = createSignal(false);
  const take = async (file: File | null | undefined) => {
    if (!file) return;
    try {
      setRead({ name: file.name, history: readExport(await file.text()) });
      setFault('');
      announce(`${file.name} is read.`);
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div class="grid">
      <h1 class="unseen">Replay</h1>
      <label
        class="panel drop"
        classList={{ 'is-over': isOver() }}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <span>
          {read() ? `${read()!.name}, read-only.` : 'Drop the exported history of a run here,'}{' '}
          {read() ? 'Another:' : 'or choose it:'}
        </span>
        <input
          type="file"
          accept=".jsonl,.ndjson,application/x-ndjson"
          onChange={({ currentTarget }) => void take(currentTarget.files?.[0])}
        />
        <span class="soft">Export one on a run's Raw tab. The file stays on this machine.</span>
      </label>
      <Show when={fault() !== ''}>
        <p class="fault" role="alert">
          {fault()}
        </p>
      </Show>
      <Show when={read()} keyed>
        {({ history }) => (
          <RunView source={sourceOf(history)} tab={props.params['tab'] ?? 'machine'} />
        )}
      </Show>
    </div>
  );
}

function sourceOf({ run, steps }: RunExport): RunSource {
  return {
    id: run.runId,
    base: '/import',
    run: () => run,
    steps: () => withoutNoise(steps),
    withNoise: () => steps,
    error: () => undefined,
    refresh: () => {},
    isOnline: false,
  };
}
