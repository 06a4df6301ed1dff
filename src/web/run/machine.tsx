/** The machine of a run: where it stands, how it came there, what can come next. */
import { For, Show, createMemo } from 'solid-js';
import type { NextEvents, RunStep } from '../../protocol/devtools.ts';
import { segment } from '../base/api.ts';
import { arrowOf, isWithin } from '../base/chart.ts';
import type { DrawnChart } from '../base/chart.ts';
import { useChart } from '../base/charts.ts';
import { clockTime, parseInstant } from '../base/clock.ts';
import { useKeys } from '../base/keys.ts';
import { setQuery } from '../base/router.ts';
import { duration, shown } from '../base/text.ts';
import { useAnswer } from '../base/use.ts';
import { Badge, Panel } from '../parts/basics.tsx';
import { Sequence } from '../parts/sequence.tsx';
import { Statechart } from '../parts/statechart.tsx';
import type { Trail } from '../parts/statechart.tsx';
import { isDone } from '../base/words.ts';
import { showsNoise } from './source.ts';
import type { RunSource, Travel } from './source.ts';
import '../styles/machine.css';

export function MachineTab(props: { source: RunSource; travel: Travel }) {
  const drawn = useChart(() => 'run');
  const travel = () => props.travel;
  const next = useNext(props.source, props.travel);
  useKeys('Machine', [
    { key: 'ArrowLeft', does: 'step back', act: () => travel().by(-1) },
    { key: 'ArrowRight', does: 'step on', act: () => travel().by(1) },
    { key: 'Shift+ArrowLeft', does: 'to the state before', act: () => travel().byState(-1) },
    { key: 'Shift+ArrowRight', does: 'to the next state', act: () => travel().byState(1) },
    { key: 'Home', does: 'to the first step', act: () => travel().goTo(0) },
    { key: 'End', does: 'to the last step', act: () => travel().goTo(Infinity) },
    { key: 'f', does: 'follow what is live', act: () => travel().toLive() },
  ]);
  return (
    <div class="machine">
      <Slider source={props.source} travel={props.travel} />
      <Panel title="State machine" class="machine-chart">
        <Show when={drawn()} fallback={<p class="empty">Loading…</p>}>
          {(chart) => (
            <Statechart
              drawn={chart()}
              trail={trailOf(chart(), props.source.steps(), props.travel.index(), next())}
            />
          )}
        </Show>
      </Panel>
      <div class="machine-side">
        <Panel
          title="Messages"
          tools={
            <label class="bar soft">
              <input
                type="checkbox"
                checked={showsNoise()}
                onChange={({ currentTarget }) =>
                  setQuery({ noise: currentTarget.checked ? '1' : undefined })
                }
              />
              each heartbeat
            </label>
          }
        >
          <Sequence
            steps={props.source.withNoise()}
            at={props.travel.index()}
            foldsNoise={!showsNoise()}
            onPick={(index) => props.travel.goTo(index)}
          />
        </Panel>
        <Context travel={props.travel} />
        <Next next={next()} step={props.travel.step()} />
      </div>
    </div>
  );
}

function useNext(source: RunSource, travel: Travel): () => NextEvents | undefined {
  if (!source.isOnline) return () => undefined;
  const answer = useAnswer<NextEvents>(() => {
    const step = travel.step();
    if (!step || isDone(step.after)) return undefined;
    return `/api/runs/${segment(source.id)}/next?at=${step.seq}`;
  });
  return () => (isDone(travel.step()?.after ?? 'NEW') ? undefined : answer.data());
}

/** What the picture shows of the first steps up to that one. */
export function trailOf(
  drawn: DrawnChart,
  steps: readonly RunStep[],
  index: number,
  next: NextEvents | undefined,
): Trail {
  const visited = new Set<string>();
  const taken = new Map<number, number>();
  let last: number | undefined;
  for (const step of steps.slice(0, index + 1)) {
    for (const path of [step.before, step.after]) visited.add(path).add(path.split('.')[0]!);
    last = arrowOf(drawn, step);
    if (last !== undefined) taken.set(last, (taken.get(last) ?? 0) + 1);
  }
  const at = steps[index]?.after;
  const open = next?.events.filter((event) => event.open !== false) ?? [];
  const ways = drawn.arrows.flatMap(({ source, target, transitions }, arrow) => {
    if (at === undefined || !isWithin(at, source) || target === at) return [];
    const fits = transitions.some((id) => {
      const one = drawn.chart.transitions[id]!;
      return (
        isWithin(at, one.source) &&
        open.some(({ event, guard }) => event === one.event && guard === one.guard)
      );
    });
    return fits ? [arrow] : [];
  });
  return { at, visited, taken, last, next: new Set(ways) };
}

export function Slider(props: { source: RunSource; travel: Travel }) {
  const steps = () => props.source.steps();
  const step = () => props.travel.step();
  const number = () => props.travel.index() + 1;
  const says = () => {
    const now = step();
    return now ? `${number()} of ${steps().length}: ${now.type}, ${now.after}` : 'nothing yet';
  };
  const isFirst = () => props.travel.index() <= 0;
  const isLast = () => props.travel.index() >= steps().length - 1;
  return (
    <div class="panel travel" role="group" aria-label="Time travel">
      <button onClick={() => props.travel.by(-1)} disabled={isFirst()} aria-label="Step back">
        ◀
      </button>
      <input
        type="range"
        min="1"
        max={Math.max(1, steps().length)}
        value={number()}
        aria-label="Step"
        aria-valuetext={says()}
        onInput={({ currentTarget }) => props.travel.goTo(Number(currentTarget.value) - 1)}
      />
      <button onClick={() => props.travel.by(1)} disabled={isLast()} aria-label="Step on">
        ▶
      </button>
      <span class="mono travel-at" data-step={number()} aria-live="polite">
        {number()}/{steps().length} · {step()?.type ?? '–'}
      </span>
      <Show when={step()}>{(now) => <Badge state={now().after} />}</Show>
      <Show when={step()}>
        {(now) => (
          <time class="soft mono" datetime={now().at}>
            {clockTime(parseInstant(now().at), true)}
          </time>
        )}
      </Show>
      <Show
        when={!props.travel.isLive()}
        fallback={
          <span class="badge tone-COMPLETE travel-live">
            {props.source.isOnline && !isDone(step()?.after ?? 'NEW') ? '● Live' : '● Newest'}
          </span>
        }
      >
        <button class="travel-live" onClick={() => props.travel.toLive()}>
          Back to live
        </button>
      </Show>
    </div>
  );
}

const HIDDEN = new Set(['limits']);

function Context(props: { travel: Travel }) {
  const step = () => props.travel.step();
  const rows = createMemo(() => {
    const now = step();
    if (!now) return [];
    const names = new Set([...Object.keys(now.context), ...now.changed]);
    return [...names]
      .filter((name) => !HIDDEN.has(name))
      .map((name) => ({
        name,
        value: now.context[name],
        isChanged: now.changed.includes(name),
      }));
  });
  return (
    <Panel title="Context after this step">
      <dl class="facts mono context">
        <For each={rows()} fallback={<p class="soft">Nothing yet.</p>}>
          {({ name, value, isChanged }) => (
            <>
              <dt>{name}</dt>
              <dd classList={{ 'is-changed': isChanged }} data-context={name}>
                {contextText(name, value)}
                <Show when={isChanged}>
                  <span class="unseen"> (changed)</span>
                </Show>
              </dd>
            </>
          )}
        </For>
      </dl>
      <h2 class="machine-heading">Effects</h2>
      <p class="mono effects">{step()?.effects.join(', ') || '–'}</p>
      <Show when={step()?.reason}>
        <h2 class="machine-heading">Reason</h2>
        <p class="effects">{step()!.reason}</p>
      </Show>
    </Panel>
  );
}

/** Instants are numbers in a context; people read times. */
function contextText(name: string, value: unknown): string {
  if (name.endsWith('At') && typeof value === 'number') return clockTime(value, true);
  return shown(value);
}

function Next(props: { next: NextEvents | undefined; step: RunStep | undefined }) {
  const opens = (open: boolean | undefined) =>
    open === true ? 'open' : open === false ? 'closed' : 'depends';
  return (
    <Panel title="What can come next">
      <Show
        when={props.next}
        fallback={
          <p class="soft">
            {isDone(props.step?.after ?? 'NEW')
              ? 'Nothing: done never changes.'
              : 'Not known here.'}
          </p>
        }
      >
        {(next) => (
          <>
            <Show when={next().deadline}>
              {(deadline) => (
                <p class="deadline">
                  The clock says <code>{deadline().event}</code> at{' '}
                  {clockTime(parseInstant(deadline().at))}
                  <span class="soft">
                    {' '}
                    ({duration(parseInstant(deadline().at) - parseInstant(props.step!.at))} after
                    this step)
                  </span>
                </p>
              )}
            </Show>
            <ul class="next">
              <For each={next().events}>
                {(row) => (
                  <li class={`is-${opens(row.open)}`}>
                    <span class="mono">
                      {row.event}
                      <Show when={row.guard}>
                        <span class="soft"> [{row.guard}]</span>
                      </Show>
                    </span>
                    <span class="soft">→ {row.target ?? 'stays'}</span>
                    <span class="unseen">{opens(row.open)}</span>
                  </li>
                )}
              </For>
            </ul>
          </>
        )}
      </Show>
    </Panel>
  );
}
