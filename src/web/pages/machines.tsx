/** The machines, each with how many stand in each of its states. */
import { For, Show, createMemo } from 'solid-js';
import type { MachineView } from '../../protocol/devtools.ts';
import { MACHINES, useChart } from '../base/charts.ts';
import { count } from '../base/text.ts';
import { useAnswer } from '../base/use.ts';
import { Badge, Fault, Panel, Tabs } from '../parts/basics.tsx';
import { Statechart } from '../parts/statechart.tsx';
import '../styles/machine.css';

const WHAT: Record<string, string> = {
  run: 'One run, from submission to its end.',
  job: 'Runs that were submitted together.',
  slave: 'A slave, as the master sees it.',
  agent: 'A slave, as it sees itself. The master does not know where these stand.',
};

export default function MachinesPage(props: { params: Record<string, string> }) {
  const name = () => props.params['name'] ?? 'run';
  const drawn = useChart(name);
  const view = useAnswer<MachineView>(() => `/api/machines/${name()}`, {
    refreshOn: () => true,
    everyMs: 1000,
    pollMs: 5000,
  });
  const population = createMemo(() => view.data()?.population);
  const hrefOf = (path: string) => {
    if (name() === 'slave') return '/slaves';
    if (name() !== 'run' || path === 'NEW') return undefined;
    const [state, substate] = path.split('.') as [string, string?];
    return `/runs?q=state:${state.toLowerCase()}${substate ? ` is:${substate}` : ''}`;
  };
  return (
    <div class="grid">
      <h1 class="unseen">Machines</h1>
      <Tabs
        label="Machines"
        tabs={MACHINES.map((machine) => ({
          href: `/machines/${machine}`,
          name: machine,
          isAt: machine === name(),
        }))}
      />
      <Fault error={view.error()} />
      <div class="machine">
        <Panel title={`The ${name()} machine`}>
          <p class="soft">{WHAT[name()]}</p>
          <Show when={drawn()} fallback={<p class="empty">There is no such machine.</p>} keyed>
            {(chart) => (
              <Statechart
                drawn={chart}
                trail={population() ? { population: population()! } : {}}
                hrefOf={hrefOf}
              />
            )}
          </Show>
        </Panel>
        <div class="machine-lists">
          <Panel title="Population">
            <Show when={population()} fallback={<p class="soft">Not known to the master.</p>}>
              {(counts) => (
                <ul class="plain-list">
                  <For
                    each={Object.entries(counts()).filter(([, many]) => many > 0)}
                    fallback={<li class="soft">None is there.</li>}
                  >
                    {([path, many]) => (
                      <li class="bar">
                        <a href={hrefOf(path) ?? '/runs'}>
                          <Badge state={path} />
                        </a>
                        <span class="number" data-population={path}>
                          {count(many)}
                        </span>
                      </li>
                    )}
                  </For>
                </ul>
              )}
            </Show>
          </Panel>
          <Panel title="Transitions">
            <ul class="next">
              <For each={view.data()?.chart.transitions}>
                {(row) => (
                  <li>
                    <span class="mono">
                      {row.source || 'any'} · {row.event}
                      <Show when={row.guard}>
                        <span class="soft"> [{row.guard}]</span>
                      </Show>
                    </span>
                    <span class="soft">
                      → {row.target ?? 'stays'}
                      {row.effects.length > 0 ? ` / ${row.effects.join(', ')}` : ''}
                    </span>
                  </li>
                )}
              </For>
            </ul>
          </Panel>
        </div>
      </div>
    </div>
  );
}
