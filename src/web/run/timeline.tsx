/** Attempts as bars over time: how long it waited is as plain as how long it ran. */
import { For, Show, createMemo } from 'solid-js';
import type { WhyAnswer } from '../../protocol/http.ts';
import { segment } from '../base/api.ts';
import { clockTime, parseInstant } from '../base/clock.ts';
import { duration, plural } from '../base/text.ts';
import { useAnswer, useNow } from '../base/use.ts';
import { isDone } from '../base/words.ts';
import { Badge, Facts, Panel, RunLink, SlaveLink } from '../parts/basics.tsx';
import { Gantt } from '../parts/gantt.tsx';
import { attemptRows, timesOf } from './attempts.ts';
import type { RunSource, Travel } from './source.ts';

export default function TimelineTab(props: { source: RunSource; travel: Travel }) {
  const now = useNow(500);
  const steps = () => props.source.steps();
  const isLive = () => props.source.isOnline && !isDone(steps().at(-1)?.after ?? 'NEW');
  const endMs = () => (isLive() ? now() : parseInstant(steps().at(-1)?.at ?? ''));
  const rows = createMemo(() => attemptRows(steps(), endMs(), props.source.base));
  /** Where it stood, in the order in which it came there. */
  const stood = createMemo(() =>
    [...new Set(steps().map(({ after }) => after))].filter((state) => !isDone(state)),
  );
  return (
    <div class="grid">
      <Show when={props.source.isOnline && props.source.run()?.state === 'PENDING'}>
        <Why id={props.source.id} />
      </Show>
      <Panel title="Attempts">
        <Show when={steps().length > 0} fallback={<p class="empty">Loading…</p>}>
          <Gantt
            label="Attempts over time"
            rows={rows()}
            fromMs={parseInstant(steps()[0]?.at ?? '')}
            toMs={endMs()}
            hasNow={isLive()}
          />
        </Show>
        <Legend states={stood()} />
      </Panel>
      <div class="columns">
        <Panel title="Where its time went">
          <Facts
            rows={timesOf(steps(), endMs()).map(
              ([state, ms]) => [state, <span class="number">{duration(ms)}</span>] as const,
            )}
          />
        </Panel>
        <Panel title="What it is">
          <Summary source={props.source} />
        </Panel>
      </div>
    </div>
  );
}

function Legend(props: { states: readonly string[] }) {
  return (
    <p class="bar legend">
      <For each={props.states}>{(state) => <Badge state={state} />}</For>
    </p>
  );
}

function Summary(props: { source: RunSource }) {
  const run = () => props.source.run();
  const rows = () => {
    const now = run();
    if (!now) return [];
    const facts: [string, Element | string | number | undefined][] = [
      ['name', now.name],
      ['held by', now.hold && [now.hold.by, now.hold.note].filter(Boolean).join(': ')],
      ['reason', now.reason],
      ['error', now.error],
      ['job', now.job],
      ['requestor', now.requestor],
      ['architecture', now.arch],
      ['priority', now.priority === 0 ? undefined : now.priority],
      ['failed tries', now.failures === 0 ? undefined : now.failures],
      ['slaves lost', now.lost === 0 ? undefined : now.lost],
      ['bundle', now.snapshotId],
      ['created', clockTime(parseInstant(now.createdAt), true)],
      ['started', now.startedAt && clockTime(parseInstant(now.startedAt), true)],
      ['finished', now.finishedAt && clockTime(parseInstant(now.finishedAt), true)],
      ['notes', now.notes?.join('; ')],
    ];
    return facts.filter(([, value]) => value !== undefined && value !== '') as [string, string][];
  };
  return (
    <>
      <Facts rows={rows()} />
      <Show when={run()?.slave}>
        {(name) => (
          <p>
            Last on <SlaveLink name={name()} />.
          </p>
        )}
      </Show>
    </>
  );
}

/** Why it is pending: what was recorded, and the smallest change that would start it. */
function Why(props: { id: string }) {
  const why = useAnswer<WhyAnswer>(() => `/api/runs/${segment(props.id)}/why`, { pollMs: 3000 });
  return (
    <Panel title="Why it is pending" class="why">
      <Show when={why.data()} fallback={<p class="soft">Asking…</p>}>
        {(answer) => (
          <div class="grid">
            <p class="why-summary">
              <span class="badge tone-PENDING">{answer().verdict}</span> {answer().summary}
            </p>
            <Show when={answer().remedy}>
              <p>
                <strong>What would start it:</strong> {answer().remedy}
              </p>
            </Show>
            <Show when={answer().slaves.length > 0}>
              <ul class="plain-list">
                <For each={answer().slaves}>
                  {(slave) => (
                    <li>
                      <SlaveLink name={slave.name} /> <code>{slave.predicate}</code>{' '}
                      <span class="soft">{slave.detail}</span>
                    </li>
                  )}
                </For>
              </ul>
            </Show>
            <Show when={answer().decisions.length > 0}>
              <details>
                <summary>{plural(answer().decisions.length, 'decision')} on record</summary>
                <ul class="plain-list">
                  <For each={answer().decisions}>
                    {(decision) => (
                      <li>
                        <time class="mono soft">{clockTime(parseInstant(decision.at), true)}</time>{' '}
                        {decision.verdict}: {decision.summary}
                      </li>
                    )}
                  </For>
                </ul>
              </details>
            </Show>
            <Show when={answer().verdict === 'blocked'}>
              <p>
                <For each={/blocked by (.*)/.exec(answer().summary)?.[1]?.split(', ') ?? []}>
                  {(id) => <RunLink id={id} />}
                </For>
              </p>
            </Show>
          </div>
        )}
      </Show>
    </Panel>
  );
}
