/** What `runyard top` shows, line by line. Pure: it is given all that it shows, and a size. */
import type { ClusterView } from '../../protocol/devtools.ts';
import type { SlaveStatus } from '../../protocol/http.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { formatDuration } from '../../base/units.ts';
import { oneLine, sanitise } from '../sanitise.ts';
import { colourOf } from '../screen.ts';
import type { Colour, Screen } from '../screen.ts';
import { cut } from '../table.ts';
import { stateText } from '../watching.ts';

/** What was asked of the master last. */
export interface Yard {
  server: string;
  cluster: ClusterView;
  slaves: readonly SlaveStatus[];
  runs: readonly RunStatus[];
  /** The end of what the chosen run wrote. */
  log: string;
  wallMs: number;
  /** Why the last question was not answered. */
  trouble?: string | undefined;
}

/** What the user has done. */
export interface Choice {
  /** The run that is chosen; absent: the first. */
  runId?: string | undefined;
  filter: string;
  mode: 'browse' | 'filter' | 'confirm' | 'log';
  /** What became of the last abort. */
  notice?: string | undefined;
}

export interface Size {
  columns: number;
  rows: number;
}

const LOG_SHARE = 0.3;
const SLAVES_MAX = 6;
const BAR = 10;

export function chosenRun(yard: Yard, choice: Choice): RunStatus | undefined {
  const runs = shownRuns(yard, choice);
  return runs.find(({ runId }) => runId === choice.runId) ?? runs[0];
}

/** Runs with the filter's words in them. */
export function shownRuns({ runs }: Yard, { filter }: Choice): readonly RunStatus[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return runs;
  return runs.filter((run) => {
    const text =
      `${run.runId} ${stateText(run)} ${run.slave ?? ''} ${run.name ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Exactly as many lines as there are rows. */
export function drawTop(
  yard: Yard,
  choice: Choice,
  { columns, rows }: Size,
  paint: Screen['paint'],
): string[] {
  const head = [headLine(yard, columns, paint)];
  const foot = footLine(yard, choice, columns, paint);
  const chosen = chosenRun(yard, choice);
  const room = rows - 2;
  if (room < 1) return [...head, foot].slice(0, Math.max(0, rows));
  if (choice.mode === 'log')
    return [...head, ...logLines(yard, chosen, columns, room, paint), foot];
  const slaves = slaveLines(yard, columns, Math.min(SLAVES_MAX, Math.floor(room / 4)), paint);
  const left = room - slaves.length;
  const logRows = left >= 12 ? Math.floor(left * LOG_SHARE) : 0;
  const runs = runLines(yard, choice, chosen, columns, left - logRows, paint);
  const log = logRows > 0 ? logLines(yard, chosen, columns, logRows, paint) : [];
  return [...head, ...slaves, ...runs, ...log, foot];
}

/** The same once, for a pipe. */
export function printTop(yard: Yard, columns: number, paint: Screen['paint']): string {
  const choice: Choice = { filter: '', mode: 'browse' };
  const lines = [
    headLine(yard, columns, paint),
    ...slaveLines(yard, columns, yard.slaves.length, paint),
    ...runLines(yard, choice, undefined, columns, yard.runs.length + 1, paint),
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

const ENDS = ['COMPLETE', 'FAILED', 'ABORTED', 'TIMEDOUT'];

function headLine({ server, cluster, slaves }: Yard, columns: number, paint: Screen['paint']) {
  const counts = new Map<string, number>();
  for (const [leaf, count] of Object.entries(cluster.runs)) {
    const state = leaf.split('.')[0]!;
    counts.set(state, (counts.get(state) ?? 0) + count);
  }
  const online = slaves.filter(({ state }) => state === 'ONLINE');
  const sum = (pick: (slave: SlaveStatus) => number) => online.reduce((n, one) => n + pick(one), 0);
  const parts: [string, Colour][] = [
    ['runyard', 'bold'],
    [oneLine(server), 'dim'],
    ...['PENDING', 'RUNNING', ...ENDS]
      .filter((state) => counts.has(state))
      .map((state): [string, Colour] => [`${state} ${counts.get(state)}`, colourOf(state)]),
    [`queued ${cluster.queued}`, 'dim'],
    [`slots ${sum(({ used }) => used)}/${sum(({ slots }) => slots)}`, 'dim'],
  ];
  return join(parts, columns, paint);
}

/** Parts as far as they fit, each in its colour. */
function join(parts: readonly [string, Colour][], columns: number, paint: Screen['paint']): string {
  let left = columns;
  const shown: string[] = [];
  for (const [text, colour] of parts) {
    if (left < 4) break;
    const fits = cut(text, left);
    shown.push(paint(colour, fits));
    left -= fits.length + 2;
  }
  return shown.join('  ');
}

function slaveLines(
  { slaves, wallMs }: Yard,
  columns: number,
  most: number,
  paint: Screen['paint'],
): string[] {
  const width = Math.max(5, ...slaves.map(({ name }) => name.length));
  const busiest = slaves.toSorted((a, b) => b.used - a.used || (a.name < b.name ? -1 : 1));
  const shown = busiest.length <= most ? busiest : busiest.slice(0, Math.max(0, most - 1));
  const lines = shown.map(({ name, state, used, slots, drain, seenAt, host }) => {
    const filled = slots === 0 ? 0 : Math.min(BAR, Math.ceil((used / slots) * BAR));
    const seen = seenAt === undefined ? '' : `seen ${ago(seenAt, wallMs)}`;
    return join(
      [
        [oneLine(name).padEnd(width), 'bold'],
        [state.padEnd(9), colourOf(state)],
        [`${'#'.repeat(filled)}${'.'.repeat(BAR - filled)} ${used}/${slots}`.padEnd(17), 'cyan'],
        [drain === undefined ? '' : `draining: ${oneLine(drain.note)}`, 'yellow'],
        [state === 'ONLINE' ? '' : seen, 'dim'],
        [oneLine(host), 'dim'],
      ].filter((part): part is [string, Colour] => part[0] !== ''),
      columns,
      paint,
    );
  });
  const hidden = slaves.length - shown.length;
  return hidden > 0 && most > 0 ? [...lines, paint('dim', `and ${hidden} more slaves`)] : lines;
}

const WIDTHS = { id: 16, state: 18, exit: 4, slave: 14, took: 8 } as const;

function runLines(
  yard: Yard,
  choice: Choice,
  chosen: RunStatus | undefined,
  columns: number,
  rows: number,
  paint: Screen['paint'],
): string[] {
  if (rows < 1) return [];
  const runs = shownRuns(yard, choice);
  const title = cut(`  ${rowText(['RUN', 'STATE', 'EXIT', 'SLAVE', 'TOOK', 'NAME'])}`, columns);
  const at = chosen ? runs.indexOf(chosen) : 0;
  const room = rows - 1;
  // The chosen one stays in sight, with what follows it.
  const from = Math.max(0, Math.min(at - Math.floor(room / 2), runs.length - room));
  const lines = runs.slice(from, from + room).map((run) => {
    const { runId, exitCode, slave = '', name = '' } = run;
    const cells = [
      runId,
      stateText(run),
      String(exitCode ?? ''),
      slave,
      took(run, yard.wallMs),
      name,
    ];
    // Without colours the mark alone tells.
    const mark = run === chosen ? '> ' : '  ';
    const text = cut(`${mark}${rowText(cells.map(oneLine))}`, columns);
    return run === chosen
      ? paint('reverse', text.padEnd(columns))
      : paint(colourOf(run.state, exitCode), text);
  });
  const empty =
    runs.length === 0 ? [paint('dim', choice.filter === '' ? 'no runs' : 'no match')] : [];
  return fill([paint('bold', title), ...lines, ...empty], rows);
}

function rowText([id, state, exit, slave, took, name]: string[]): string {
  const cell = (text: string | undefined, width: number) => cut(text ?? '', width).padEnd(width);
  return [
    cell(id, WIDTHS.id),
    cell(state, WIDTHS.state),
    cell(exit, WIDTHS.exit),
    cell(slave, WIDTHS.slave),
    cell(took, WIDTHS.took).trimEnd().padStart(WIDTHS.took),
    name ?? '',
  ].join(' ');
}

function took({ startedAt, finishedAt, createdAt }: RunStatus, wallMs: number): string {
  const from = Date.parse(startedAt ?? createdAt);
  const to = finishedAt === undefined ? wallMs : Date.parse(finishedAt);
  return formatDuration(Math.max(0, to - from));
}

function ago(instant: string, wallMs: number): string {
  return `${formatDuration(Math.max(0, wallMs - Date.parse(instant)))} ago`;
}

function logLines(
  { log }: Yard,
  chosen: RunStatus | undefined,
  columns: number,
  rows: number,
  paint: Screen['paint'],
): string[] {
  const name = chosen === undefined ? 'no run' : `${chosen.runId} ${oneLine(chosen.name ?? '')}`;
  const title = cut(`-- ${name} ${'-'.repeat(columns)}`, columns + 1).slice(0, columns);
  const lines = sanitise(log).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const shown = rows > 1 ? lines.slice(-(rows - 1)) : [];
  const expanded = shown.map((line) => cut(line.replaceAll('\t', '    '), columns));
  return fill([paint('dim', title), ...expanded], rows);
}

function fill(lines: readonly string[], rows: number): string[] {
  return [...lines, ...Array.from({ length: rows }, () => '')].slice(0, rows);
}

function footLine(yard: Yard, choice: Choice, columns: number, paint: Screen['paint']): string {
  const chosen = chosenRun(yard, choice);
  switch (choice.mode) {
    case 'filter':
      return cut(`/${choice.filter}_   Enter keeps it, Esc clears it`, columns);
    case 'confirm':
      return paint(
        'red',
        cut(`abort ${chosen?.runId ?? ''} (${oneLine(chosen?.name ?? '')})? y/n`, columns),
      );
    case 'log':
    case 'browse': {
      if (yard.trouble !== undefined) return paint('red', cut(oneLine(yard.trouble), columns));
      if (choice.notice !== undefined) return paint('yellow', cut(oneLine(choice.notice), columns));
      const keys =
        choice.mode === 'log'
          ? 'Esc back  j/k other run  a abort  q quit'
          : 'j/k choose  Enter log  / filter  a abort  q quit';
      const filter = choice.filter === '' ? '' : `  /${choice.filter}`;
      return paint('dim', cut(`${keys}${filter}`, columns));
    }
  }
}
