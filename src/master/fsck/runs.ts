/** Runs as records: each has an origin and one snapshot, and what it names is there. */
import { runTable } from '../ledger.ts';
import { keys, unpack } from '../records.ts';
import type { JobRecord, RunOrigin, RunRecord } from '../records.ts';
import { unpackOrigin, unpackRun } from '../rows.ts';
import type { Entry } from '../store/port.ts';
import type { ReadOnlyState } from '../store/read-only.ts';
import { isDone } from '../../protocol/run.ts';
import type { Report } from './finding.ts';

/** What the store holds of one id. */
export interface Triple {
  id: string;
  origin?: Entry;
  live?: Entry;
  done?: Entry;
}

/** All ids in order, each with all that there is of it. */
export async function* tripleScan(state: ReadOnlyState): AsyncGenerator<Triple> {
  const families = (['origin', 'live', 'done'] as const).map((name) => ({
    name,
    entries: state.scan({ gte: `${name}/`, lt: `${name}0` }),
    next: undefined as Entry | undefined,
  }));
  for (const family of families) family.next = await take(family.entries);
  for (;;) {
    const ids = families.flatMap(({ next }) => (next ? [idOf(next.key)] : []));
    if (ids.length === 0) return;
    const id = ids.reduce((a, b) => (b < a ? b : a));
    const triple: Triple = { id };
    for (const family of families) {
      if (!family.next || idOf(family.next.key) !== id) continue;
      triple[family.name] = family.next;
      family.next = await take(family.entries);
    }
    yield triple;
  }
}

async function take(entries: AsyncGenerator<Entry>): Promise<Entry | undefined> {
  const { done, value } = await entries.next();
  return done ? undefined : value;
}

export function idOf(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

/** Reports what is wrong with one id; its record and origin as far as they can be read. */
export function readTriple(
  { id, origin, live, done }: Triple,
  report: Report,
): { origin: RunOrigin; record: RunRecord } | undefined {
  const where = `run ${id}`;
  if (live && done) report('run_twice', where, 'it is kept as live and as done');
  const entry = done ?? live;
  if (!origin) {
    report('origin_missing', where, 'it has a snapshot and no origin');
    return undefined;
  }
  if (!entry) {
    report('run_missing', where, 'it was accepted, and its snapshot is gone');
    return undefined;
  }
  let read: { origin: RunOrigin; record: RunRecord };
  try {
    const from = unpackOrigin(origin.value);
    read = { origin: from, record: unpackRun(entry.value, from) };
  } catch {
    report('undecodable', where, 'its origin or its snapshot does not decode');
    return undefined;
  }
  checkSnapshot(entry.key, read.record, report);
  return read;
}

function checkSnapshot(key: string, { id, state, context }: RunRecord, report: Report): void {
  const where = `run ${idOf(key)}`;
  if (id !== idOf(key)) report('key_mismatch', where, `its snapshot is that of run ${id}`);
  if (!runTable.states.includes(state)) report('run_state', where, `${state} is no state`);
  else if (isDone(state) !== key.startsWith('done/')) {
    report('run_misplaced', where, `it is ${state} and lies below ${key.split('/')[0]}/`);
  }
  const { limits, failures, lost, attempt, settled } = context;
  if (failures > limits.retries) {
    report(
      'run_limits',
      where,
      `it failed ${failures} times and may be tried again ${limits.retries}`,
    );
  }
  if (lost > Math.max(1, limits.lostMax)) {
    report(
      'run_limits',
      where,
      `it was lost ${lost} times in a row, ${limits.lostMax} are allowed`,
    );
  }
  if (settled > attempt || (isDone(state) && settled !== attempt)) {
    report(
      'attempt_stale',
      where,
      `it is settled by attempt ${settled}, the current one is ${attempt}`,
    );
  }
}

/** Says whether a job names a run; the jobs asked for last are at hand. */
export function makeJobLookup(state: ReadOnlyState) {
  const known = new Map<string, ReadonlySet<string> | undefined>();
  return async (job: string): Promise<ReadonlySet<string> | undefined> => {
    if (!known.has(job)) {
      if (known.size >= JOBS_AT_HAND) known.delete(known.keys().next().value!);
      const [entry] = await state.getMany([keys.job(job)]);
      known.set(job, entry && runsOf(entry));
    }
    return known.get(job);
  };
}

const JOBS_AT_HAND = 16;

function runsOf({ value }: Entry): ReadonlySet<string> {
  try {
    return new Set(unpack<JobRecord>(value).runs);
  } catch {
    return new Set();
  }
}
