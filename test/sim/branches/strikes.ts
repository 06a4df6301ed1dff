/** Faults by the state of the runs that they struck, for people. */
import type { Hits } from '../hits.ts';
import { FAULT_KINDS } from '../scenario.ts';

/** Of a run that is not done, in this simulator: none waits for another, and none is held. */
const STATES = [
  'PENDING.queued',
  'PENDING.assigned',
  'PENDING.backoff',
  'RUNNING.preparing',
  'RUNNING.executing',
  'RUNNING.collecting',
  'RUNNING.stopping',
];

interface Cell {
  times: number;
  messages: Set<string>;
}

function cellsOf(hits: Hits): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  for (const [key, times] of Object.entries(hits)) {
    const [kind, state, message] = key.split('|') as [string, string, string];
    const cell = cells.get(`${kind}|${state}`) ?? { times: 0, messages: new Set() };
    cell.times += times;
    cell.messages.add(message);
    cells.set(`${kind}|${state}`, cell);
  }
  return cells;
}

/** A row for each kind of fault, a column for each state: how often, after how many messages. */
export function tableOf(hits: Hits): string[] {
  const cells = cellsOf(hits);
  const width = 19;
  const header = STATES.map((state) => state.padStart(width)).join('');
  return [
    'times that a fault struck a run in that state / kinds of the last message before it',
    `${''.padEnd(18)}${header}`,
    ...FAULT_KINDS.map((kind) => {
      const row = STATES.map((state) => {
        const cell = cells.get(`${kind}|${state}`);
        return (cell ? `${cell.times}/${cell.messages.size}` : '-').padStart(width);
      });
      return `${kind.padEnd(18)}${row.join('')}`;
    }),
  ];
}

/** What never came together. A run that waits in a queue is on no slave. */
export function missedOf(hits: Hits): string[] {
  const cells = cellsOf(hits);
  const isPossible = (kind: string, state: string) =>
    !/^(?:slave|net)\./.test(kind) || !/^PENDING\.(?:queued|backoff)$/.test(state);
  const missed = FAULT_KINDS.flatMap((kind) =>
    STATES.filter((state) => isPossible(kind, state) && !cells.has(`${kind}|${state}`)).map(
      (state) => `${kind} on ${state}`,
    ),
  );
  return missed.length === 0 ? [] : [`never: ${missed.join(', ')}`];
}
