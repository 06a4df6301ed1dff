/** How the yard is: what there is in each state, how it flows, who works, what failed. */
import { For, Show, createMemo } from 'solid-js';
import type { ClusterView, SeriesView } from '../../protocol/devtools.ts';
import type { HistoryEvent, SlaveStatus } from '../../protocol/http.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { parseInstant } from '../base/clock.ts';
import { query, setQuery } from '../base/router.ts';
import { count, duration } from '../base/text.ts';
import { Plot } from '../parts/lazy-plot.tsx';
import { useAnswer, useNow } from '../base/use.ts';
import { STATES, isDone } from '../base/words.ts';
import { Fault, Panel, RunBadge, RunLink, SlaveLink } from '../parts/basics.tsx';
import { Slots } from '../parts/slots.tsx';
import '../styles/overview.css';

/** How often what is counted is asked for anew, whatever happens in between. */
const COUNT_MS = 500;

export default function OverviewPage() {
  const cluster = useAnswer<ClusterView>(() => '/api/cluster', {
    refreshOn: () => true,
    everyMs: COUNT_MS,
  });
  const slaves = useAnswer<SlaveStatus[]>(() => '/api/slaves', { pollMs: 2000 });
  const failed = useAnswer<RunStatus[]>(() => '/api/runs?ended=badly&limit=12&scan=20000', {
    refreshOn: ({ state, detail }) => isDone(state) && !saysExit0(detail),
    everyMs: 2000,
  });
  return (
    <div class="grid">
      <h1 class="unseen">Overview</h1>
      <Fault error={cluster.error()} />
      <Counts view={cluster.data()} />
      <Flow />
      <div class="columns">
        <Panel title="Slaves" tools={<a href="/slaves">all of them</a>}>
          <Strip slaves={slaves.data()} />
        </Panel>
        <Panel title="Did not end well" tools={<a href="/runs?q=ended:badly">all of them</a>}>
          <Recent runs={failed.data()} />
        </Panel>
      </div>
    </div>
  );
}

function saysExit0({ ending }: HistoryEvent['detail']): boolean {
  const { kind, code } = (ending ?? {}) as { kind?: string; code?: number };
  return kind === 'exited' && code === 0;
}

function Counts(props: { view: ClusterView | undefined }) {
  const sums = createMemo(() => {
    const found: Record<string, number> = {};
    for (const [leaf, runs] of Object.entries(props.view?.runs ?? {})) {
      const state = leaf.split('.')[0]!;
      found[state] = (found[state] ?? 0) + runs;
    }
    return found;
  });
  const parts = (state: string) =>
    Object.entries(props.view?.runs ?? {}).filter(([leaf]) => leaf.startsWith(`${state}.`));
  return (
    <ul class="counts" aria-label="Runs in each state">
      <For each={STATES}>
        {(state) => (
          <li>
            <a
              class={`panel count tone-${state}`}
              href={`/runs?q=state:${state.toLowerCase()}`}
              data-count={state}
            >
              <span class="count-name">{state}</span>
              <strong class="number">{count(sums()[state] ?? 0)}</strong>
              <span class="soft count-parts">
                {parts(state)
                  .map(([leaf, runs]) => `${count(runs)} ${leaf.split('.')[1]}`)
                  .join(', ') || '\u00a0'}
              </span>
            </a>
          </li>
        )}
      </For>
    </ul>
  );
}

const STEPS = [
  { value: '1000', name: '5 minutes' },
  { value: '10000', name: 'an hour' },
  { value: '60000', name: 'a day' },
];

function Flow() {
  const stepMs = () => STEPS.find(({ value }) => value === query('step'))?.value ?? '1000';
  const series = useAnswer<SeriesView>(() => `/api/series?stepMs=${stepMs()}`, { pollMs: 2000 });
  const last = (name: keyof SeriesView['values']) => series.data()?.values[name]?.at(-1);
  const tools = () => (
    <select
      aria-label="How far back"
      onChange={({ currentTarget }) => setQuery({ step: currentTarget.value })}
    >
      <For each={STEPS}>
        {({ value, name }) => (
          <option value={value} selected={value === stepMs()}>
            {name}
          </option>
        )}
      </For>
    </select>
  );
  return (
    <div class="columns flow">
      <Panel title="Throughput, runs a second" tools={tools()}>
        <Plot
          label={`Runs submitted and ended a second; now ${last('endedPerSecond') ?? 0} ended`}
          series={series.data()}
          lines={[
            { name: 'submittedPerSecond', shown: 'submitted', colour: 'running' },
            { name: 'endedPerSecond', shown: 'ended', colour: 'complete' },
            { name: 'badlyEndedPerSecond', shown: 'not well', colour: 'failed' },
          ]}
        />
      </Panel>
      <Panel
        title="Queue age"
        tools={<span class="number soft">the oldest {duration(last('queueAgeMs') ?? 0)}</span>}
      >
        <Plot
          label={`How long the oldest run of the queue has waited; now ${duration(last('queueAgeMs') ?? 0)}`}
          series={series.data()}
          lines={[{ name: 'queueAgeMs', shown: 'the oldest that waits', colour: 'pending' }]}
          unit="ms"
        />
      </Panel>
      <Panel
        title="Slots in use"
        tools={<span class="number soft">{count(last('queueLength') ?? 0)} wait</span>}
      >
        <Plot
          label={`Length of the queue and slots in use; now ${last('slotsUsed') ?? 0} of ${last('slots') ?? 0}`}
          series={series.data()}
          lines={[
            { name: 'queueLength', shown: 'waiting', colour: 'pending' },
            { name: 'slotsUsed', shown: 'slots in use', colour: 'running' },
            { name: 'slots', shown: 'slots', colour: 'faint' },
          ]}
        />
      </Panel>
    </div>
  );
}

function Strip(props: { slaves: readonly SlaveStatus[] | undefined }) {
  return (
    <ul class="plain-list strip">
      <For each={props.slaves} fallback={<li class="soft">No slave has come yet.</li>}>
        {(slave) => (
          <li class={`tone-${slave.state}`}>
            <SlaveLink name={slave.name} />
            <Slots used={slave.used} slots={slave.slots} />
            <span class="soft">{slave.drain ? `draining: ${slave.drain.note}` : slave.state}</span>
          </li>
        )}
      </For>
    </ul>
  );
}

function Recent(props: { runs: readonly RunStatus[] | undefined }) {
  const now = useNow(5000);
  return (
    <ul class="plain-list recent">
      <For each={props.runs} fallback={<li class="soft">None.</li>}>
        {(run) => (
          <li>
            <RunBadge run={run} />
            <RunLink id={run.runId} />
            <span class="recent-name" title={run.error ?? run.reason ?? ''}>
              {run.name} <span class="soft">{run.reason}</span>
            </span>
            <Show when={run.finishedAt}>
              {(at) => <span class="soft number">{duration(now() - parseInstant(at()))}</span>}
            </Show>
          </li>
        )}
      </For>
    </ul>
  );
}
