/**
 * The durable machines and the one way to change them: a transaction decides on some of them, all
 * its writes go out as one commit, and only when that is on disk is anything told or done
 * (design.md part 2: event, decision, commit, effects).
 *
 * Decisions may run ahead of the disk: the next one builds on the last decided state while its
 * write is under way. Commits resolve in order, and a failed one ends the master, so nothing that
 * is not durable ever leaves it; readers see `durable` only.
 */
import { YardError, assert } from '../base/errors.ts';
import { jobMachine } from '../machines/job.ts';
import type { JobContext, JobEffect, JobEvent } from '../machines/job.ts';
import { runMachine } from '../machines/run.ts';
import type { RunContext, RunEffect, RunEvent, RunInput } from '../machines/run-context.ts';
import { slaveMachine } from '../machines/slave.ts';
import type { SlaveContext, SlaveEffect, SlaveEvent } from '../machines/slave.ts';
import { deriveTable } from '../machines/table.ts';
import { isDone } from '../protocol/run.ts';
import type { Archive } from './archive.ts';
import { factsOf, limitsOf } from './origin.ts';
import { keys, pack, unpack } from './records.ts';
import type { EventRecord, JobRecord, RunOrigin, RunRecord, SlaveRecord } from './records.ts';
import { packEvents, packOrigin, packRun } from './rows.ts';
import type { Fence, Op, StateStore } from './store/port.ts';

export const runTable = deriveTable<RunContext, RunEvent, RunEffect>(runMachine);
const jobTable = deriveTable<JobContext, JobEvent, JobEffect>(jobMachine);
const slaveTable = deriveTable<SlaveContext, SlaveEvent, SlaveEffect>(slaveMachine);

/** A machine of the ledger: what was decided last, and what of it is on disk. */
interface Cell<T> {
  latest: T;
  durable: T | undefined;
}

export interface Transaction {
  /** Undefined: the run's machine does not react to this. */
  run: (id: string, event: RunEvent, by: string) => RunRecord | undefined;
  createRun: (
    id: string,
    origin: RunOrigin,
    input: Omit<RunInput, 'limits'>,
    by: string,
  ) => RunRecord;
  job: (id: string, event: JobEvent) => void;
  createJob: (job: Omit<JobRecord, 'state' | 'context'>) => void;
  slave: (name: string, event: SlaveEvent, facts?: SlaveRecord['facts']) => SlaveRecord | undefined;
  put: (key: string, value: Uint8Array) => void;
  del: (key: string) => void;
  /** Runs once all of this transaction is on disk, in the order given. */
  after: (effect: () => void) => void;
}

export interface LedgerHooks {
  /** At the decision, before the disk: where queues and deadlines are kept in step. */
  decided: (tx: Transaction, before: RunRecord | undefined, after: RunRecord) => void;
  /** After the disk, in order: everything that others may see. */
  published: (events: EventRecord[], steps: readonly RunRecord[]) => void;
  runEffect: (effect: RunEffect, run: RunRecord) => void;
  /** At the decision: all that a slave held is lost with it. */
  giveUp: (tx: Transaction, slave: SlaveRecord) => void;
  slaveEffect: (effect: Exclude<SlaveEffect, 'giveUpAttempts'>, slave: SlaveRecord) => void;
  /** At the decision: an abort that is recorded must not be forgotten before it reaches the runs. */
  jobEffect: (tx: Transaction, effect: JobEffect, job: JobRecord) => void;
  /** The store failed or another master took over: nothing may be done any more. */
  fatal: (error: unknown) => void;
}

export interface Ledger {
  /** Commits what `decide` did, as one; resolves when it is on disk and told. */
  transact: (decide: (tx: Transaction) => void) => Promise<void>;
  /** The last decided state of a run that is not done. */
  live: (id: string) => RunRecord | undefined;
  /** A list of its own: what is decided while it is walked does not disturb. */
  liveRuns: () => readonly RunRecord[];
  liveCount: () => number;
  /** What is on disk, done runs too. */
  findRun: (id: string) => Promise<RunRecord | undefined>;
  slaves: () => Iterable<SlaveRecord>;
  slave: (name: string) => SlaveRecord | undefined;
  findJob: (id: string) => Promise<JobRecord | undefined>;
  lastSeq: () => number;
  /** Commits are under way. */
  isBusy: () => boolean;
  /** Reads what a restart needs; call before anything else. */
  load: () => Promise<void>;
}

export interface LedgerPorts {
  store: StateStore;
  archive: Archive;
  fence: Fence;
}

/** Events in one value; beyond, they take several. */
const EVENTS_TOGETHER_MAX = 1000;

export function makeLedger({ store, archive, fence }: LedgerPorts, hooks: LedgerHooks): Ledger {
  const runs = new Map<string, Cell<RunRecord>>();
  const slaves = new Map<string, Cell<SlaveRecord>>();
  const jobs = new Map<string, Cell<JobRecord>>();
  let seq = 0;
  let failed = false;
  /** Commits that are not on disk yet, and the end of the last of them. */
  let underWay = 0;
  let last = Promise.resolve();

  function transact(decide: (tx: Transaction) => void): Promise<void> {
    if (failed) return Promise.reject(stopped());
    const batch = makeBatch();
    try {
      decide(batch.tx);
    } catch (error) {
      // Half a decision is in memory, none of it on disk: only a restart is sure to agree with it.
      return Promise.reject(fail(error));
    }
    const ops = batch.ops();
    if (ops.length === 0) {
      // It may have looked at what is not on disk yet, so it speaks only after that is.
      if (underWay > 0) return (last = last.then(() => concludeUnlessFailed(batch)));
      batch.conclude();
      return Promise.resolve();
    }
    underWay++;
    return (last = commit(ops, batch));
  }

  function commit(ops: Op[], batch: ReturnType<typeof makeBatch>): Promise<void> {
    return store.commit({ fence, ops }).then(
      (result) => {
        if (!result.ok)
          throw fail(new YardError('master.deposed', `commit refused: ${result.why}`));
        underWay--;
        concludeUnlessFailed(batch);
      },
      (error: unknown) => {
        throw fail(error);
      },
    );
  }

  /** Whoever waits for it is not to take it for done: something before it is not on disk. */
  function concludeUnlessFailed(batch: ReturnType<typeof makeBatch>): void {
    if (failed) throw stopped();
    batch.conclude();
  }

  function fail(error: unknown): unknown {
    if (!failed) {
      failed = true;
      hooks.fatal(error);
    }
    return error;
  }

  function makeBatch() {
    const extra: Op[] = [];
    const touched = new Map<Cell<RunRecord>, RunRecord>();
    const touchedSlaves = new Map<Cell<SlaveRecord>, SlaveRecord>();
    const touchedJobs = new Map<Cell<JobRecord>, JobRecord>();
    const events: EventRecord[] = [];
    /** The run after each of the events. */
    const steps: RunRecord[] = [];
    const effects: (() => void)[] = [];

    function append(
      cell: Cell<RunRecord>,
      before: RunRecord | undefined,
      next: Omit<RunRecord, 'events'>,
      event: RunEvent,
      by: string,
    ): RunRecord {
      seq++;
      const { id, state, context, facts } = next;
      const places = before ? [...before.events, seq] : [seq];
      const record = { id, state, context, facts, events: places };
      events.push({ seq, run: id, n: places.length, by, state, event });
      steps.push(record);
      cell.latest = record;
      touched.set(cell, record);
      return record;
    }

    function settle(before: RunRecord | undefined, after: RunRecord, named: readonly RunEffect[]) {
      for (const effect of named) effects.push(() => hooks.runEffect(effect, after));
      const { job } = after.facts;
      if (job !== undefined) countInJob(tx, job, before, after);
      hooks.decided(tx, before, after);
    }

    const tx: Transaction = {
      run(id, event, by) {
        const cell = runs.get(id);
        if (!cell) return undefined;
        const before = cell.latest;
        const decision = runTable.decide(before.state, before.context, event);
        if (!decision) return undefined;
        const { state, context } = decision;
        const next = { id, state, context, facts: before.facts };
        const after = append(cell, before, next, event, by);
        settle(before, after, decision.effects);
        return after;
      },
      createRun(id, origin, input, by) {
        assert(!runs.has(id), 'a run is created once');
        const facts = factsOf(origin);
        const event: RunEvent = { type: 'run.submitted', at: origin.createdAt };
        const limits = limitsOf(origin.request);
        const decision = runTable.decide('NEW', initialContext({ limits, ...input }), event);
        assert(decision, 'a new run can be submitted');
        const { state, context } = decision;
        const cell = { latest: undefined as unknown as RunRecord, durable: undefined };
        runs.set(id, cell);
        const after = append(cell, undefined, { id, state, context, facts }, event, by);
        const packed = packOrigin(origin);
        extra.push({ put: keys.origin(id), value: packed });
        archive.keepAtHand(id, packed);
        settle(undefined, after, decision.effects);
        return after;
      },
      job(id, event) {
        const cell = jobs.get(id);
        const decision = cell && jobTable.decide(cell.latest.state, cell.latest.context, event);
        if (!decision) return;
        const job = { ...cell.latest, state: decision.state, context: decision.context };
        cell.latest = job;
        touchedJobs.set(cell, job);
        for (const effect of decision.effects) hooks.jobEffect(tx, effect, job);
      },
      createJob(job) {
        const context = { total: job.runs.length, ended: 0, failed: 0 };
        const cell = { latest: { state: 'NOT_STARTED', context, ...job }, durable: undefined };
        jobs.set(job.id, cell);
        touchedJobs.set(cell, cell.latest);
      },
      slave(name, event, facts) {
        let cell = slaves.get(name);
        if (!cell) {
          if (!facts) return undefined;
          const fresh = { name, state: 'OFFLINE', context: { losses: 0 }, facts };
          slaves.set(name, (cell = { latest: fresh, durable: undefined }));
        }
        const before = cell.latest;
        const decision = slaveTable.decide(before.state, before.context, event);
        if (!decision) return undefined;
        const { state, context } = decision;
        const after = { name, state, context, facts: facts ?? before.facts };
        cell.latest = after;
        touchedSlaves.set(cell, after);
        for (const effect of decision.effects) {
          // What it held is lost in the same commit in which it is.
          if (effect === 'giveUpAttempts') hooks.giveUp(tx, after);
          else effects.push(() => hooks.slaveEffect(effect, after));
        }
        return after;
      },
      put: (key, value) => void extra.push({ put: key, value }),
      del: (key) => void extra.push({ del: key }),
      after: (effect) => void effects.push(effect),
    };

    return {
      tx,
      ops(): Op[] {
        const ops = extra;
        for (const record of touched.values()) {
          const value = packRun(record);
          if (isDone(record.state)) {
            ops.push({ put: keys.done(record.id), value }, { del: keys.live(record.id) });
          } else ops.push({ put: keys.live(record.id), value });
        }
        for (let at = 0; at < events.length; at += EVENTS_TOGETHER_MAX) {
          const together = events.slice(at, at + EVENTS_TOGETHER_MAX);
          ops.push({ put: keys.events(together[0]!.seq), value: packEvents(together) });
        }
        for (const latest of touchedSlaves.values()) {
          ops.push({ put: keys.slave(latest.name), value: pack(latest) });
        }
        for (const latest of touchedJobs.values()) {
          ops.push({ put: keys.job(latest.id), value: pack(latest) });
        }
        return ops;
      },
      conclude(): void {
        for (const [cell, record] of touched) {
          cell.durable = record;
          if (isDone(cell.latest.state) && cell.latest === record) runs.delete(record.id);
        }
        for (const [cell, record] of touchedSlaves) cell.durable = record;
        for (const [cell, record] of touchedJobs) {
          cell.durable = record;
          if (record.state === 'COMPLETED') jobs.delete(record.id);
        }
        if (events.length > 0) hooks.published(events, steps);
        for (const effect of effects) effect();
      },
    };
  }

  async function load(): Promise<void> {
    seq = await archive.lastSeq();
    for await (const run of archive.liveRuns()) {
      runs.set(run.id, { latest: run, durable: run });
    }
    for await (const { value } of store.scan({ gte: 'slave/', lt: 'slave0' })) {
      const record = unpack<SlaveRecord>(value);
      slaves.set(record.name, { latest: record, durable: record });
    }
    for (const { latest } of runs.values()) {
      const { job } = latest.facts;
      if (job === undefined || jobs.has(job)) continue;
      const entry = await store.get(keys.job(job));
      if (!entry) throw new YardError('store.corrupt', `run ${latest.id} has no job ${job}`);
      const record = unpack<JobRecord>(entry.value);
      jobs.set(job, { latest: record, durable: record });
    }
  }

  return {
    transact,
    load,
    live: (id) => runs.get(id)?.latest,
    liveRuns: () => Array.from(runs.values(), ({ latest }) => latest),
    liveCount: () => runs.size,
    async findRun(id) {
      const cell = runs.get(id);
      return cell ? cell.durable : archive.findDone(id);
    },
    *slaves() {
      for (const { latest } of slaves.values()) yield latest;
    },
    slave: (name) => slaves.get(name)?.latest,
    async findJob(id) {
      const cell = jobs.get(id);
      if (cell) return cell.durable;
      const entry = await store.get(keys.job(id));
      return entry && unpack<JobRecord>(entry.value);
    },
    lastSeq: () => seq,
    isBusy: () => underWay > 0,
  };
}

function stopped(): YardError {
  return new YardError('master.stopped', 'this master has stopped');
}

/** Of a run before its first event. */
export function initialContext(input: RunInput): RunContext {
  const make = runMachine.config.context as unknown as (args: { input: RunInput }) => RunContext;
  return make({ input });
}

/** A run that starts or ends is counted by its job in the same commit. */
function countInJob(
  tx: Transaction,
  job: string,
  before: RunRecord | undefined,
  after: RunRecord,
): void {
  const { at } = {
    at: after.context.finishedAt ?? after.context.startedAt ?? after.facts.createdAt,
  };
  const wasRunning = before?.state.startsWith('RUNNING') ?? false;
  if (isDone(after.state)) {
    const { ending } = after.context;
    const ok = after.state === 'COMPLETE' && ending?.kind === 'exited' && ending.code === 0;
    tx.job(job, { type: 'job.runEnded', at, ok });
  } else if (after.state.startsWith('RUNNING') && !wasRunning) {
    tx.job(job, { type: 'job.runStarted', at });
  }
}
