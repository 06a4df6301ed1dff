/** Runs on their way: a table that stays in place on a terminal, elsewhere a line per change. */
import { sleep } from '../base/clock.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import { isDone } from '../protocol/run.ts';
import type { RunStatus } from '../protocol/run.ts';
import { formatDuration } from '../base/units.ts';
import type { CliHost, Client } from './host.ts';
import { oneLine } from './sanitise.ts';
import { colourOf } from './screen.ts';
import type { Screen } from './screen.ts';
import { formatTable } from './table.ts';
import { stateText } from './watching.ts';

export interface ProgressPorts {
  client: Client;
  host: CliHost;
  screen: Screen;
  signal: AbortSignal;
}

const POLL_MS = 150;

/** Resolves with the runs, in their order, once all are done. */
export async function showProgress(
  runIds: readonly string[],
  ports: ProgressPorts,
): Promise<RunStatus[]> {
  const { client, host, screen, signal } = ports;
  const runs = new Map<string, RunStatus>();
  const heard = new Map<string, number>();
  const draw = host.stdout.isTerminal ? makeLiveTable(ports) : undefined;
  for (;;) {
    const news: Change[] = [];
    for (const runId of runIds) {
      const known = runs.get(runId);
      if (known && isDone(known.state)) continue;
      const run = await client.getRun(runId);
      runs.set(runId, run);
      if (draw) continue;
      const events = await client.history(runId);
      news.push(...changes(events, heard.get(runId) ?? 0, run));
      heard.set(runId, events.length);
    }
    const all = runIds.map((runId) => runs.get(runId)!);
    draw?.(all);
    news.sort((a, b) => a.seq - b.seq);
    for (const { line } of news) screen.print(`${oneLine(line)}\n`);
    if (all.every(({ state }) => isDone(state))) return all;
    await sleep(host.clock, POLL_MS, signal);
  }
}

interface Change {
  seq: number;
  line: string;
}

/** Events that leave a run where it is are left out. */
function changes(
  events: readonly HistoryEvent[],
  from: number,
  { runId, name, slave, attempt }: RunStatus,
): Change[] {
  return events.flatMap(({ seq, at, state, type }, index) => {
    if (index < from || events[index - 1]?.state === state) return [];
    const where = slave === undefined || state.startsWith('PENDING') ? '' : ` on ${slave}`;
    const again = attempt > 1 ? `, attempt ${attempt}` : '';
    const time = at.slice(11, 23);
    return [
      { seq, line: `${time}  ${runId}  ${state.padEnd(18)}  ${name ?? type}${where}${again}` },
    ];
  });
}

/** Draws over what it drew before. */
function makeLiveTable({ host, screen }: ProgressPorts): (runs: readonly RunStatus[]) => void {
  let drawn = 0;
  return (runs) => {
    const wallMs = host.clock.wall();
    const columns = [
      { title: 'RUN', text: ({ runId }: RunStatus) => runId },
      {
        title: 'STATE',
        text: (run: RunStatus) => stateText(run).padEnd(18),
        paint: (cell: string, { state, exitCode }: RunStatus) =>
          screen.paint(colourOf(state, exitCode), cell),
      },
      { title: 'SLAVE', text: ({ slave }: RunStatus) => (slave ?? '').padEnd(12) },
      { title: 'TIME', text: (run: RunStatus) => timeOf(run, wallMs).padStart(6) },
      { title: 'WHAT', text: ({ name }: RunStatus) => name ?? '' },
    ];
    const width = host.stdout.columns;
    const lines = formatTable(columns, runs, width).split('\n').slice(0, -1);
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`;
    host.stdout.print(`${up}${lines.map((line) => `${line}\u001b[K\n`).join('')}`);
    drawn = lines.length;
  };
}

function timeOf({ startedAt, finishedAt }: RunStatus, wallMs: number): string {
  if (startedAt === undefined) return '';
  const end = finishedAt === undefined ? wallMs : Date.parse(finishedAt);
  return formatDuration(Math.max(0, end - Date.parse(startedAt)));
}
