/** Runs as people read them. */
import { formatBytes, formatDuration } from '../base/units.ts';
import { holdText } from '../protocol/hold.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import type { RunStatus } from '../protocol/run.ts';
import { oneLine, safeJson } from './sanitise.ts';
import { colourOf } from './screen.ts';
import type { Screen } from './screen.ts';
import { formatFields, formatTable } from './table.ts';
import type { Column } from './table.ts';
import { stateText } from './watching.ts';

/** Lists runs; `wallMs` is now. */
export function listRunStatuses(screen: Screen, runs: readonly RunStatus[], wallMs: number): void {
  screen.list(runs, runColumns(screen, wallMs), 'no runs');
}

function runColumns({ paint }: Pick<Screen, 'paint'>, wallMs: number): Column<RunStatus>[] {
  return [
    { title: 'RUN', text: ({ runId }) => runId },
    {
      title: 'STATE',
      text: stateText,
      paint: (cell, run) => paint(colourOf(run.state, run.exitCode), cell),
    },
    { title: 'EXIT', text: ({ exitCode }) => String(exitCode ?? ''), align: 'right' },
    { title: 'SLAVE', text: ({ slave }) => slave ?? '' },
    { title: 'AGE', text: ({ createdAt }) => since(createdAt, wallMs), align: 'right' },
    { title: 'TOOK', text: (run) => took(run, wallMs), align: 'right' },
    { title: 'NAME', text: ({ name }) => name ?? '' },
  ];
}

function since(instant: string, wallMs: number): string {
  return formatDuration(Math.max(0, wallMs - Date.parse(instant)));
}

function took({ startedAt, finishedAt }: RunStatus, wallMs: number): string {
  if (startedAt === undefined) return '';
  const end = finishedAt === undefined ? wallMs : Date.parse(finishedAt);
  return formatDuration(Math.max(0, end - Date.parse(startedAt)));
}

export function runText(run: RunStatus, wallMs: number, paint: Screen['paint']): string {
  const safe = (text: string | undefined) => text && oneLine(text);
  const { state, exitCode, attempt, outputs } = run;
  return formatFields([
    ['run', run.runId],
    ['name', safe(run.name)],
    ['state', paint(colourOf(state, exitCode), stateText(run))],
    ['held', safe(run.hold && holdText(run.hold))],
    ['exit code', exitCode === undefined ? undefined : String(exitCode)],
    ['reason', safe(run.reason)],
    ['error', safe(run.error)],
    ['attempt', attempt === 0 ? undefined : String(attempt)],
    ['failures', run.failures === 0 ? undefined : String(run.failures)],
    ['lost', run.lost === 0 ? undefined : String(run.lost)],
    ['slave', safe(run.slave)],
    ['job', run.job],
    ['arch', safe(run.arch)],
    ['labels', safe(run.labels && pairs(run.labels))],
    ['priority', run.priority === 0 ? undefined : String(run.priority)],
    ['requestor', safe(run.requestor)],
    ['bundle', safe(run.snapshotId)],
    ['created', run.createdAt],
    ['started', run.startedAt],
    ['finished', run.finishedAt],
    ['took', took(run, wallMs)],
    ['stdout', refText(run.stdoutRef, outputs?.stdout)],
    ['stderr', refText(run.stderrRef, outputs?.stderr)],
    ...(run.artifacts ?? []).map(
      (artifact) =>
        ['artifact', `${oneLine(artifact.name)}  ${refText(artifact.ref, artifact)}`] as const,
    ),
    ...(run.notes ?? []).map((note) => ['note', oneLine(note)] as const),
  ]);
}

function refText(ref: string | undefined, facts: { bytes: number } | undefined) {
  if (ref === undefined) return undefined;
  return `${oneLine(ref)}${facts === undefined ? '' : `  ${formatBytes(facts.bytes)}`}`;
}

export function pairs(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

export const HISTORY_COLUMNS: readonly Column<HistoryEvent>[] = [
  { title: 'N', text: ({ n }) => String(n), align: 'right' },
  { title: 'AT', text: ({ at }) => at },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'EVENT', text: ({ type }) => type },
  { title: 'BY', text: ({ by }) => by },
  { title: 'DETAIL', text: ({ detail }) => detailText(detail) },
];

/** What the run itself shows better, or what serves nobody who reads. */
const LEFT_OUT = ['jitter', 'outputs', 'artifacts'];

export function detailText(detail: HistoryEvent['detail']): string {
  return Object.entries(detail)
    .filter(([name]) => !LEFT_OUT.includes(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : safeJson(value)}`)
    .join(' ');
}

export function historyText(history: readonly HistoryEvent[], width: number): string {
  return formatTable(HISTORY_COLUMNS, history, width);
}
