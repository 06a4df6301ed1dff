/** The history of one run held against its record: the one must be the fold of the other (S9). */
import type { RunContext, RunEvent } from '../../machines/run-context.ts';
import { isDone } from '../../protocol/run.ts';
import { beginningOf } from '../beginning.ts';
import { runTable } from '../ledger.ts';
import type { EventRecord, RunOrigin, RunRecord } from '../records.ts';
import type { FindingCode } from './finding.ts';

export interface RunFault {
  code: FindingCode;
  what: string;
}

/** The first thing that is wrong with the history of a run; undefined: nothing is. */
export function findRunFault(
  record: RunRecord,
  origin: RunOrigin,
  events: readonly EventRecord[],
): RunFault | undefined {
  const numbers = numberFault(record, events) ?? attemptFault(record, events);
  if (numbers) return numbers;
  let fold = { state: 'NEW', context: beginningOf(record, origin, events) };
  for (const event of events) {
    const next = step(fold, event);
    if ('code' in next) return next;
    fold = next;
  }
  return snapshotFault(record, fold);
}

function numberFault(
  { events: places, state }: RunRecord,
  events: readonly EventRecord[],
): RunFault | undefined {
  /** Those before it were looked at when the run ended. */
  const isPastEnd = (n: number, index: number) =>
    index === 0 && isDone(state) && n > Math.max(1, places.length);
  const late = events.find(
    ({ n }, index) => isDone(events[index - 1]?.state ?? 'PENDING') || isPastEnd(n, index),
  );
  if (late)
    return { code: 'event_after_end', what: `event ${late.n} comes after its end, ${state}` };
  const wrong = events.findIndex(({ n }, index) => n !== index + 1);
  if (wrong >= 0) {
    const what = `event ${events[wrong]!.n} stands where event ${wrong + 1} should`;
    return { code: 'history_order', what };
  }
  const same =
    places.length === events.length && events.every(({ seq }, index) => seq === places[index]);
  if (same) return undefined;
  const what = `its record names ${places.length} events, its history has ${events.length}`;
  return { code: 'history_places', what };
}

/** Attempts are numbered by grants alone: what carries another number is of no current one (S3, S4). */
function attemptFault(
  { context }: RunRecord,
  events: readonly EventRecord[],
): RunFault | undefined {
  let grants = 0;
  for (const { n, event } of events) {
    if (event.type === 'run.granted') grants++;
    const { type, attempt } = event;
    if (attempt === undefined || attempt === grants) continue;
    const what = `event ${n}, ${type}, is of attempt ${JSON.stringify(attempt)}, the current one was ${grants}`;
    return { code: 'attempt_stale', what };
  }
  if (context.attempt === grants) return undefined;
  const what = `its record is at attempt ${context.attempt}, its history grants ${grants}`;
  return { code: 'attempt_order', what };
}

interface Fold {
  state: string;
  context: RunContext;
}

function step({ state, context }: Fold, { n, state: told, event }: EventRecord): Fold | RunFault {
  const name = `event ${n}, ${event.type},`;
  const decision = runTable.decide(state, context, event as RunEvent);
  if (!decision) return { code: 'history_unexpected', what: `${name} is not taken in ${state}` };
  if (decision.state === told) return decision;
  return { code: 'history_state', what: `${name} leads to ${decision.state}, not to ${told}` };
}

function snapshotFault({ state, context }: RunRecord, fold: Fold): RunFault | undefined {
  const code = 'snapshot';
  if (state !== fold.state)
    return { code, what: `it is ${state}, its history makes ${fold.state}` };
  const name = differenceOf(context, fold.context);
  if (name === undefined) return undefined;
  const [is, made] = [context, fold.context].map((one) => JSON.stringify(one[name]) ?? 'absent');
  return { code, what: `its ${name} is ${is}, its history makes ${made}` };
}

/** The first name whose values differ as data: what is undefined is absent. */
function differenceOf<T extends object>(a: T, b: T): keyof T | undefined {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof T>;
  return [...names].find((name) => !isSame(a[name], b[name]));
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return differenceOf(a as Record<string, unknown>, b as Record<string, unknown>) === undefined;
}
