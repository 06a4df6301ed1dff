/** One slave: how it is, and what ran in its slots. */
import { For, Show, createMemo } from 'solid-js';
import type { ActorsAnswer } from '../../protocol/devtools.ts';
import type { SlaveStatus } from '../../protocol/http.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { segment } from '../base/api.ts';
import { dateTime, parseInstant } from '../base/clock.ts';
import { query, setQuery } from '../base/router.ts';
import { useAnswer, useNow } from '../base/use.ts';
import { Badge, Facts, Fault, Panel, RunBadge, RunLink } from '../parts/basics.tsx';
import { Gantt } from '../parts/gantt.tsx';
import type { GanttBar, GanttRow } from '../parts/gantt.tsx';
import { Slots } from '../parts/slots.tsx';
import { drainSlave, resumeSlave } from '../slaves.ts';
import { heard } from './slaves.tsx';
import '../styles/overview.css';

const SPANS = [
  { value: '5', name: '5 minutes' },
  { value: '60', name: 'an hour' },
  { value: '1440', name: 'a day' },
];
const MINUTE_MS = 60_000;

export default function SlavePage(props: { params: Record<string, string> }) {
  const name = () => props.params['name']!;
  const slave = useAnswer<SlaveStatus>(() => `/api/slaves/${segment(name())}`, {
    refreshOn: () => true,
    everyMs: 1000,
    pollMs: 3000,
  });
  const runs = useAnswer<RunStatus[]>(() => `/api/runs?slave=${segment(name())}&limit=1000`, {
    refreshOn: () => true,
    everyMs: 1500,
  });
  const actors = useAnswer<ActorsAnswer>(() => '/api/actors', { pollMs: 2000 });
  const lastAt = () =>
    actors.data()?.actors.find(({ id }) => id === `slave/${name()}`)?.lastMessage?.at;
  const now = useNow();
  const minutes = () => Number(SPANS.find(({ value }) => value === query('span'))?.value ?? 5);
  const fromMs = () => now() - minutes() * MINUTE_MS;
  const rows = createMemo(() =>
    slotRows(runs.data() ?? [], { slots: slave.data()?.slots ?? 1, fromMs: fromMs(), toMs: now() }),
  );
  const act = async (done: Promise<boolean>) => {
    if (await done) slave.refresh();
  };
  return (
    <div class="grid">
      <header class="bar">
        <h1>slave {name()}</h1>
        <Show when={slave.data()}>
          {(now) => (
            <>
              <Badge state={now().state} />
              <Slots used={now().used} slots={now().slots} />
              <Show
                when={now().drain}
                fallback={<button onClick={() => void act(drainSlave(now()))}>Drain</button>}
              >
                {(drain) => (
                  <>
                    <span>
                      draining: {drain().note} <span class="soft">({drain().by})</span>
                    </span>
                    <button onClick={() => void act(resumeSlave(now()))}>Resume</button>
                  </>
                )}
              </Show>
            </>
          )}
        </Show>
      </header>
      <Fault error={slave.error()} />
      <Panel
        title="Slots"
        tools={
          <select
            aria-label="How far back"
            onChange={({ currentTarget }) => setQuery({ span: currentTarget.value })}
          >
            <For each={SPANS}>
              {({ value, name: shown }) => (
                <option value={value} selected={Number(value) === minutes()}>
                  {shown}
                </option>
              )}
            </For>
          </select>
        }
      >
        <Gantt
          label="Slots over time"
          rows={rows()}
          fromMs={fromMs()}
          toMs={now()}
          hasNow
          isAbsolute
        />
      </Panel>
      <div class="columns">
        <Panel title="What it is">
          <Show when={slave.data()}>
            {(is) => <Facts rows={factsOf(is(), heard(is(), now(), lastAt()))} />}
          </Show>
        </Panel>
        <Panel title="Its runs" tools={<a href={`/runs?q=slave:${name()}`}>all of them</a>}>
          <ul class="plain-list recent">
            <For each={runs.data()?.slice(0, 15)} fallback={<li class="soft">None.</li>}>
              {(run) => (
                <li>
                  <RunBadge run={run} />
                  <RunLink id={run.runId} />
                  <span class="recent-name">{run.name}</span>
                </li>
              )}
            </For>
          </ul>
        </Panel>
      </div>
    </div>
  );
}

function factsOf(slave: SlaveStatus, lastHeard: string) {
  const text = (values: Record<string, unknown>) =>
    Object.entries(values)
      .map(([key, value]) => `${key}=${String(value)}`)
      .join(' ') || '–';
  return [
    ['heard', lastHeard],
    ['host', slave.host],
    ['architecture', slave.arch],
    ['labels', text(slave.labels)],
    ['resources', text(slave.resources)],
    ['isolations', slave.isolations.join(', ')],
    ['version', slave.version],
    ['losses', String(slave.losses)],
    ...(slave.whyGone === undefined ? [] : [['gone', slave.whyGone] as const]),
    ...(slave.seenAt === undefined
      ? []
      : [['connected or gone', dateTime(parseInstant(slave.seenAt))] as const]),
  ] as const;
}

/** Runs laid into as many rows as run at once; the master does not number slots. */
export function slotRows(
  runs: readonly RunStatus[],
  { slots, fromMs, toMs }: { slots: number; fromMs: number; toMs: number },
): GanttRow[] {
  const rows: GanttBar[][] = Array.from({ length: slots }, () => []);
  const bars = runs.flatMap((run): GanttBar[] => {
    if (run.startedAt === undefined) return [];
    const startMs = parseInstant(run.startedAt);
    const endMs = run.finishedAt === undefined ? toMs : parseInstant(run.finishedAt);
    if (endMs < fromMs || startMs > toMs) return [];
    return [
      {
        state: run.state,
        fromMs: Math.max(fromMs, startMs),
        toMs: Math.min(toMs, endMs),
        title: run.name ?? run.runId,
        href: `/runs/${run.runId}`,
      },
    ];
  });
  for (const bar of bars.sort((a, b) => a.fromMs - b.fromMs)) {
    const free = rows.find((row) => (row.at(-1)?.toMs ?? 0) <= bar.fromMs);
    if (free) free.push(bar);
    else rows.push([bar]);
  }
  return rows.map((row, index) => ({ name: `slot ${index + 1}`, bars: row }));
}
