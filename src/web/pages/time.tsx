/** The yard at any moment that its history knows. */
import { For, Show, createEffect, createMemo, createSignal } from 'solid-js';
import type { ClusterView } from '../../protocol/devtools.ts';
import { dateTime, parseInstant } from '../base/clock.ts';
import { useKeys } from '../base/keys.ts';
import { query, setQuery } from '../base/router.ts';
import { count } from '../base/text.ts';
import { useAnswer } from '../base/use.ts';
import { Badge, Fault, Panel, SlaveLink } from '../parts/basics.tsx';
import { Slots } from '../parts/slots.tsx';
import { Statechart } from '../parts/statechart.tsx';
import { useChart } from '../base/charts.ts';
import '../styles/machine.css';
import '../styles/overview.css';

export default function TimePage() {
  const drawn = useChart(() => 'run');
  const at = () => query('at');
  const answer = useAnswer<ClusterView>(() => `/api/cluster${at() ? `?at=${at()}` : ''}`, {
    refreshOn: () => at() === undefined,
    everyMs: 500,
  });
  // The last answer stays while the slider moves.
  const [view, setView] = createSignal<ClusterView>();
  createEffect(() => {
    const now = answer.data();
    if (now) setView(now);
  });
  const last = () => view()?.last.seq ?? 0;
  const seq = () => Number(at() ?? last());
  const goTo = (wanted: number) => {
    const first = view()?.first.seq ?? 1;
    setQuery({ at: String(Math.min(last(), Math.max(first, wanted))) });
  };
  useKeys('Time', [
    { key: 'ArrowLeft', does: 'an event back', act: () => goTo(seq() - 1) },
    { key: 'ArrowRight', does: 'an event on', act: () => goTo(seq() + 1) },
    { key: 'Home', does: 'to the first event', act: () => goTo(0) },
    { key: 'End', does: 'to the last event', act: () => goTo(Infinity) },
    { key: 'f', does: 'follow what is live', act: () => setQuery({ at: undefined }) },
  ]);
  const states = createMemo(() =>
    Object.entries(view()?.runs ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  return (
    <div class="machine">
      <h1 class="unseen">Time travel</h1>
      <div class="panel travel" role="group" aria-label="Time travel">
        <button aria-label="An event back" onClick={() => goTo(seq() - 1)}>
          ◀
        </button>
        <input
          type="range"
          min={view()?.first.seq ?? 0}
          max={last()}
          value={seq()}
          aria-label="Event of the yard"
          aria-valuetext={view() ? `event ${seq()}, ${view()!.at}` : ''}
          onInput={({ currentTarget }) => goTo(Number(currentTarget.value))}
        />
        <button aria-label="An event on" onClick={() => goTo(seq() + 1)}>
          ▶
        </button>
        <span class="mono number">
          event {count(seq())} of {count(last())}
        </span>
        <Show when={view()}>
          {(now) => (
            <time class="soft mono" datetime={now().at}>
              {dateTime(parseInstant(now().at))}
            </time>
          )}
        </Show>
        <Show
          when={at() !== undefined}
          fallback={<span class="badge tone-COMPLETE travel-live">● Live</span>}
        >
          <button class="travel-live" onClick={() => setQuery({ at: undefined })}>
            Back to live
          </button>
        </Show>
      </div>
      <Panel title="Runs in each state then">
        <Fault error={answer.error()} />
        <Show when={drawn()} keyed>
          {(chart) => <Statechart drawn={chart} trail={{ population: view()?.runs ?? {} }} />}
        </Show>
      </Panel>
      <div class="machine-lists">
        <Panel
          title="Runs"
          tools={<span class="soft number">{count(view()?.queued ?? 0)} wait for a slave</span>}
        >
          <ul class="plain-list">
            <For each={states()} fallback={<li class="soft">None.</li>}>
              {([leaf, runs]) => (
                <li class="bar">
                  <Badge state={leaf} />
                  <span class="number" data-then={leaf}>
                    {count(runs)}
                  </span>
                </li>
              )}
            </For>
          </ul>
        </Panel>
        <Panel title="Slaves">
          <ul class="plain-list strip">
            <For each={view()?.slaves} fallback={<li class="soft">None was at work.</li>}>
              {(slave) => (
                <li>
                  <SlaveLink name={slave.name} />
                  <Slots used={slave.used} slots={slave.slots ?? slave.used} />
                </li>
              )}
            </For>
          </ul>
        </Panel>
      </div>
    </div>
  );
}
