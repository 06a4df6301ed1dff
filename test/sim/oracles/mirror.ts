/** What is on the master's disk, read as it gets there: the ground that all oracles stand on. */
import { initialContext, runTable } from '../../../src/master/ledger.ts';
import type { RunContext, RunEvent, RunLimits } from '../../../src/machines/run-context.ts';
import { factsOf, limitsOf } from '../../../src/master/origin.ts';
import { unpack } from '../../../src/master/records.ts';
import type {
  EventRecord,
  JobRecord,
  RunFacts,
  RunOrigin,
  RunRecord,
  SlaveRecord,
} from '../../../src/master/records.ts';
import { unpackEvents, unpackOrigin, unpackRunWith } from '../../../src/master/rows.ts';
import type { Invariant } from './invariants.ts';
import { holdAtSubmit } from '../../../src/master/submit.ts';
import { LEASE_PREFIX, decodeLease } from '../../../src/master/store/group.ts';
import type { Group } from '../../../src/master/store/group.ts';
import { isDone } from '../../../src/protocol/run.ts';

/** One event of a run's history, and what its machine makes of it. */
export interface Step {
  event: EventRecord;
  before: Fold;
  after: Fold;
}

/** A run as its history says that it is. */
export interface Fold {
  state: string;
  context: RunContext;
  n: number;
}

/** What one synced group changed, in order. */
export interface Change {
  runs: RunRecord[];
  steps: Step[];
  slaves: SlaveRecord[];
  jobs: JobRecord[];
  removed: string[];
  /** A master has taken the store over, with this epoch. */
  epoch: number | undefined;
}

export interface Mirror {
  readonly runs: ReadonlyMap<string, RunRecord>;
  readonly folds: ReadonlyMap<string, Fold>;
  readonly slaves: ReadonlyMap<string, SlaveRecord>;
  readonly jobs: ReadonlyMap<string, JobRecord>;
  /** What was asked for, by run. */
  readonly origins: ReadonlyMap<string, RunOrigin>;
  /** Runs that wait for a slave. */
  readonly queued: ReadonlySet<string>;
  /** How many attempts each slave has, by what is on disk. */
  roomTaken: (slave: string) => number;
  /** Which attempt, by its key, was granted to whom, and with which token. */
  readonly grants: ReadonlyMap<string, { slave: string; token: string; at: number }>;
  readonly lastSeq: number;
  /** Of the last master that has taken the store over. */
  readonly epoch: number;
  /** How many runs are not done. */
  readonly undone: number;
  /** Reads a group and takes it over: folds first, so that `runs` are still those before. */
  read: (group: Group) => Change;
  keep: (change: Change) => void;
}

/** `report` hears of histories with holes, and of events that no machine would take. */
export function makeMirror(report: (oracle: Invariant, what: string) => void): Mirror {
  const runs = new Map<string, RunRecord>();
  const folds = new Map<string, Fold>();
  const slaves = new Map<string, SlaveRecord>();
  const jobs = new Map<string, JobRecord>();
  const grants = new Map<string, { slave: string; token: string; at: number }>();
  const origins = new Map<string, RunOrigin>();
  /** What follows from the origin of each run. */
  const followed = new Map<string, { facts: RunFacts; limits: RunLimits }>();
  const queued = new Set<string>();
  const taken = new Map<string, number>();
  let lastSeq = 0;
  let epoch = 0;
  let undone = 0;

  function stepOf(event: EventRecord, record: RunRecord | undefined): Step | undefined {
    const { run, seq, n } = event;
    if (seq !== lastSeq + 1) report('S9', `event ${seq} follows event ${lastSeq}`);
    lastSeq = seq;
    const before = folds.get(run) ?? (record && beginningOf(event, record));
    if (!before) {
      report('S8', `event ${seq} of run ${run} has no snapshot with it`);
      return undefined;
    }
    if (n !== before.n + 1) report('S9', `event ${n} of run ${run} follows event ${before.n}`);
    const decision = runTable.decide(before.state, before.context, event.event as RunEvent);
    if (!decision) {
      report('S9', `${before.state} of run ${run} takes no ${event.event.type}`);
      return undefined;
    }
    const after = { state: decision.state, context: decision.context, n };
    if (after.state !== event.state) {
      report('S9', `event ${seq} led to ${after.state}, its record says ${event.state}`);
    }
    folds.set(run, after);
    index(run, before, after);
    if (event.event.type === 'run.granted') {
      const { slave = '', token = '', attempt } = after.context;
      grants.set(`${run}.${attempt}`, { slave, token, at: seq });
    }
    return { event, before, after };
  }

  function index(run: string, before: Fold, after: Fold): void {
    if (after.state === 'PENDING.queued') queued.add(run);
    else queued.delete(run);
    const [from, to] = [placeOf(before), placeOf(after)];
    if (from === to) return;
    if (from !== undefined) taken.set(from, taken.get(from)! - 1);
    if (to !== undefined) taken.set(to, (taken.get(to) ?? 0) + 1);
  }

  function keepOrigin(run: string, origin: RunOrigin): void {
    origins.set(run, origin);
    followed.set(run, { facts: factsOf(origin), limits: limitsOf(origin.request) });
  }

  /** Before its first event: it waits for all that it is to wait for and that has not ended well. */
  function beginningOf({ run, by }: EventRecord, { context: { limits } }: RunRecord): Fold {
    const { request } = origins.get(run)!;
    const blockers = [...new Set(request.after)].filter((id) => !hasEndedWell(folds.get(id)));
    const hold = holdAtSubmit(request, by);
    return { state: 'NEW', context: initialContext({ limits, blockers, hold }), n: 0 };
  }

  return {
    runs,
    folds,
    slaves,
    jobs,
    origins,
    queued,
    roomTaken: (slave) => taken.get(slave) ?? 0,
    grants,
    get lastSeq() {
      return lastSeq;
    },
    get epoch() {
      return epoch;
    },
    get undone() {
      return undone;
    },
    read({ keys, values }) {
      const change: Change = {
        runs: [],
        steps: [],
        slaves: [],
        jobs: [],
        removed: [],
        epoch: undefined,
      };
      const events: EventRecord[] = [];
      for (let i = 0; i < keys.length; i++) {
        const [key, value] = [keys[i]!, values[i]];
        if (!value) change.removed.push(key);
        else if (key.startsWith('origin/')) keepOrigin(idOf(key), unpackOrigin(value));
        else if (key.startsWith('event/')) events.push(...unpackEvents(value));
        else if (key.startsWith('slave/')) change.slaves.push(unpack<SlaveRecord>(value));
        else if (key.startsWith(LEASE_PREFIX)) change.epoch = decodeLease(value);
        else if (key.startsWith('job/')) change.jobs.push(unpack<JobRecord>(value));
      }
      for (let i = 0; i < keys.length; i++) {
        const [key, value] = [keys[i]!, values[i]];
        if (!value || !(key.startsWith('live/') || key.startsWith('done/'))) continue;
        const known = followed.get(idOf(key));
        if (known) change.runs.push(unpackRunWith(value, known));
        else report('S8', `${key} has no origin`);
      }
      events.sort((a, b) => a.seq - b.seq);
      const saved = new Map(change.runs.map((run) => [run.id, run]));
      for (const event of events) {
        const step = stepOf(event, saved.get(event.run));
        if (step) change.steps.push(step);
      }
      return change;
    },
    keep(change) {
      for (const run of change.runs) {
        const before = runs.get(run.id);
        const wasUndone = before !== undefined && !isDone(before.state);
        undone += (isDone(run.state) ? 0 : 1) - (wasUndone ? 1 : 0);
        runs.set(run.id, run);
      }
      for (const slave of change.slaves) slaves.set(slave.name, slave);
      for (const job of change.jobs) jobs.set(job.id, job);
      epoch = change.epoch ?? epoch;
    },
  };
}

/** On which slave it is believed to be. */
function placeOf({ state, context }: Fold): string | undefined {
  const isThere = state === 'PENDING.assigned' || state.startsWith('RUNNING');
  return isThere ? context.slave : undefined;
}

function idOf(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

/** Others that wait for it may then go on. */
export function hasEndedWell(run: Pick<Fold, 'state' | 'context'> | undefined): boolean {
  const ending = run?.context.ending;
  return run?.state === 'COMPLETE' && ending?.kind === 'exited' && ending.code === 0;
}

/** Equal as data: what is undefined is absent. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const key in x) if (!isSame(x[key], y[key])) return false;
  for (const key in y) if (x[key] === undefined && y[key] !== undefined) return false;
  return true;
}
