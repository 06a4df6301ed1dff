/** Faults by the state of the runs that they struck and by the message before, for people. */
import type { Hits } from '../hits.ts';
import { FAULT_KINDS } from '../scenario.ts';

/** Of a run that is not done. */
const STATES = [
  'PENDING.blocked',
  'PENDING.held',
  'PENDING.queued',
  'PENDING.assigned',
  'PENDING.backoff',
  'RUNNING.preparing',
  'RUNNING.executing',
  'RUNNING.collecting',
  'RUNNING.stopping',
];

interface Strike {
  kind: string;
  state: string;
  /** The last between the master and the slave of that run. */
  message: string;
  times: number;
}

function strikesOf(hits: Hits): Strike[] {
  return Object.entries(hits).map(([key, times]) => {
    const [kind, state, message] = key.split('|') as [string, string, string];
    return { kind, state, message, times };
  });
}

interface Cell {
  times: number;
  /** What of the third dimension came with it. */
  others: Set<string>;
}

type Dimension = 'state' | 'message';

function cellsOf(strikes: readonly Strike[], across: Dimension): Map<string, Cell> {
  const other = across === 'state' ? 'message' : 'state';
  const cells = new Map<string, Cell>();
  for (const strike of strikes) {
    const key = `${strike.kind}|${strike[across]}`;
    const cell = cells.get(key) ?? { times: 0, others: new Set() };
    cell.times += strike.times;
    cell.others.add(strike[other]);
    cells.set(key, cell);
  }
  return cells;
}

/** A row for each kind of fault, a column for each of `names`. */
function gridOf(strikes: readonly Strike[], across: Dimension, names: readonly string[]): string[] {
  const cells = cellsOf(strikes, across);
  const textOf = (kind: string, name: string) => {
    const cell = cells.get(`${kind}|${name}`);
    return cell ? `${cell.times}/${cell.others.size}` : '-';
  };
  const widths = names.map((name) =>
    Math.max(name.length, ...FAULT_KINDS.map((kind) => textOf(kind, name).length)),
  );
  const lineOf = (first: string, texts: readonly string[]) =>
    [first.padEnd(18), ...texts.map((text, at) => text.padStart(widths[at]!))].join('  ');
  return [
    lineOf('', names),
    ...FAULT_KINDS.map((kind) =>
      lineOf(
        kind,
        names.map((name) => textOf(kind, name)),
      ),
    ),
  ];
}

/** The matrix fault x run state x message, as its two sides and how much of it was met. */
export function tableOf(hits: Hits): string[] {
  const strikes = strikesOf(hits);
  const messages = [...new Set(strikes.map(({ message }) => message))].sort();
  return [
    'times that a fault struck a run in that state / kinds of the last message before it',
    ...gridOf(strikes, 'state', STATES),
    '',
    'times that a fault struck a run after that message / states of the run',
    ...gridOf(strikes, 'message', messages),
    '',
    `fault x run state x message: ${strikes.length} combinations were met, of ` +
      `${FAULT_KINDS.length} x ${STATES.length} x ${messages.length}`,
  ];
}

/** What never came together. A run that waits in a queue is on no slave. */
export function missedOf(hits: Hits): string[] {
  const cells = cellsOf(strikesOf(hits), 'state');
  const isOfSlave = (kind: string) => /^(?:slave|net)\./.test(kind);
  const isOnNone = (state: string) => /^PENDING\.(?:blocked|held|queued|backoff)$/.test(state);
  const missed = FAULT_KINDS.flatMap((kind) =>
    STATES.filter((state) => !(isOfSlave(kind) && isOnNone(state)))
      .filter((state) => !cells.has(`${kind}|${state}`))
      .map((state) => `${kind} on ${state}`),
  );
  return missed.length === 0 ? [] : [`never: ${missed.join(', ')}`];
}
