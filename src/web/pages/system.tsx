/** How the master itself is. */
import { Show } from 'solid-js';
import type { SeriesView, SystemView } from '../../protocol/devtools.ts';
import { dateTime, parseInstant } from '../base/clock.ts';
import { bytes, count, duration } from '../base/text.ts';
import { Plot } from '../parts/lazy-plot.tsx';
import { useAnswer, useNow } from '../base/use.ts';
import { Facts, Fault, Panel } from '../parts/basics.tsx';
import '../styles/overview.css';

export default function SystemPage() {
  const system = useAnswer<SystemView>(() => '/api/system', { pollMs: 2000 });
  const series = useAnswer<SeriesView>(() => '/api/series?stepMs=1000', { pollMs: 2000 });
  const now = useNow();
  return (
    <div class="grid">
      <h1 class="unseen">System</h1>
      <Fault error={system.error()} />
      <Show when={system.data()}>
        {(is) => (
          <div class="columns">
            <Panel title="Master">
              <Facts rows={masterFacts(is(), now())} />
            </Panel>
            <Panel title="Store and sockets">
              <Facts rows={storeFacts(is())} />
            </Panel>
            <Panel title="Configuration">
              <Facts
                rows={Object.entries(is().config).map(
                  ([name, value]) => [name, <code>{String(value)}</code>] as const,
                )}
              />
            </Panel>
          </div>
        )}
      </Show>
      <Panel title="Event loop's lag, milliseconds">
        <Plot
          label="How late the event loop was"
          series={series.data()}
          lines={[{ name: 'loopLagMs', shown: 'lag', colour: 'accent' }]}
          unit="ms"
        />
      </Panel>
    </div>
  );
}

function masterFacts(is: SystemView, now: number) {
  return [
    ['version', is.version],
    ['Node', is.node],
    ['epoch', String(is.epoch)],
    ['started', dateTime(parseInstant(is.startedAt))],
    ['up for', duration(now - parseInstant(is.startedAt))],
    ['events so far', count(is.lastSeq)],
    ['live runs', count(is.liveRuns)],
    ...(is.memory
      ? ([
          ['memory', bytes(is.memory.rssBytes)],
          ['heap in use', bytes(is.memory.heapUsedBytes)],
        ] as const)
      : []),
    ...(is.eventLoop
      ? ([
          ['event loop lag', `${is.eventLoop.lagMs.toFixed(1)} ms`],
          ['at most', `${is.eventLoop.lagMaxMs.toFixed(1)} ms`],
        ] as const)
      : []),
  ] as const;
}

function storeFacts(is: SystemView) {
  return [
    ['store', is.store.kind],
    ...(is.store.bytes === undefined ? [] : ([['on disk', bytes(is.store.bytes)]] as const)),
    ['slaves connected', String(is.sockets.slaves)],
    ['watchers', String(is.sockets.watchers)],
    ['inspectors', String(is.sockets.inspectors)],
    ['frames for inspectors', count(is.inspect.frames)],
    ['inspector errors', <span data-inspector-errors>{is.inspect.errors}</span>],
  ] as const;
}
