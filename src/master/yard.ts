/**
 * The heart of the master: the ledger kept in step with the queue, the rooms on the slaves and the
 * deadlines. No socket, no clock of its own, no disk: all of it runs in the simulator.
 */
import { hash } from 'node:crypto';
import { buggify } from '../base/buggify.ts';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Ids } from '../base/random.ts';
import type { RunEffect } from '../machines/run-context.ts';
import { runDeadline } from '../machines/run-deadline.ts';
import type { Deadline } from '../machines/run-deadline.ts';
import type { JobEffect } from '../machines/job.ts';
import type { SlaveEffect } from '../machines/slave.ts';
import { isDone } from '../protocol/run.ts';
import type { Archive } from './archive.ts';
import { makeDeadlines } from './deadlines.ts';
import { makeLedger } from './ledger.ts';
import type { Ledger, LedgerHooks, Transaction } from './ledger.ts';
import { judge, makeQueue } from './placement.ts';
import type { Queue, Room } from './placement.ts';
import { keys, pack } from './records.ts';
import type { DecisionRecord, EventRecord, JobRecord, RunRecord, SlaveRecord } from './records.ts';
import type { Fence, StateStore } from './store/port.ts';

/** Of a class's key within a store key, in characters. */
const PATH_MAX = 400;

export interface YardPorts {
  store: StateStore;
  archive: Archive;
  fence: Fence;
  clock: Clock;
  ids: Ids;
  log: Log;
}

/** What the hub does for the yard once a decision is durable. */
export interface SlaveCommands {
  assign: (run: RunRecord) => void;
  stop: (run: RunRecord) => void;
  /** Called within the decision. */
  giveUp: (tx: Transaction, slave: SlaveRecord) => void;
  tell: (slave: SlaveRecord, what: 'drain' | 'resume') => void;
}

export interface Yard {
  readonly ledger: Ledger;
  readonly queue: Queue;
  readonly rooms: ReadonlyMap<string, Room>;
  /** A transaction that also places what can be placed. */
  transact: (decide: (tx: Transaction) => void) => Promise<void>;
  setRoom: (room: Room) => void;
  occupy: (
    slave: string,
    runId: string,
    attempt: number,
    resources: Record<string, number>,
  ) => void;
  vacate: (slave: string, runId: string, attempt: number) => void;
  connectSlaves: (commands: SlaveCommands) => void;
  /** Hears every event, in order, once it is durable, and how each left its run. */
  onEvents: (listener: EventListener) => void;
  /** `record` resolves with that of the run once it is done, `undefined` if given up before. */
  untilDone: (runId: string) => { record: Promise<RunRecord | undefined>; giveUp: () => void };
  /** Resolves after the next event of that run, or on the signal. */
  untilEvent: (runId: string, signal: AbortSignal) => Promise<void>;
  /** Rejects when the store has failed: the process must end. */
  readonly fatal: Promise<never>;
  open: () => Promise<void>;
  stop: () => void;
}

export type EventListener = (events: EventRecord[], steps: readonly RunRecord[]) => void;

/** What takes a slot: an attempt, not a run, so that an old one and a new one are told apart. */
export function slotKey(runId: string, attempt: number): string {
  return `${runId}.${attempt}`;
}

export function makeYard({ store, archive, fence, clock, ids, log }: YardPorts): Yard {
  const queue = makeQueue();
  const rooms = new Map<string, Room>();
  const dependents = new Map<string, Set<string>>();
  const waiters = new Map<string, Set<(run: RunRecord) => void>>();
  const listeners: EventListener[] = [];
  const watchers = new Map<string, Set<() => void>>();
  /** Per class: the last recorded verdict, and the generation of rooms that it was judged in. */
  const verdicts = new Map<string, { verdict: string; generation: number }>();
  let generation = 0;
  let commands: SlaveCommands | undefined;
  let rejectFatal: (error: unknown) => void = () => {};
  const fatal = new Promise<never>((_, reject) => (rejectFatal = reject));
  fatal.catch(() => {});
  let placing = false;
  let dirty = false;

  const armed = new Map<string, Deadline>();
  const deadlines = makeDeadlines(clock, (id) => {
    const { event: type } = armed.get(id)!;
    armed.delete(id);
    quietly(transact((tx) => void tx.run(id, { type, at: clock.wall() }, 'clock')));
  });

  function decided(tx: Transaction, before: RunRecord | undefined, after: RunRecord): void {
    const { id, state, context } = after;
    if (state === 'PENDING.queued') {
      if (before?.state !== state) queue.add(id, after.facts, context.ahead);
      dirty = true;
    } else if (before?.state === 'PENDING.queued') queue.remove(id);
    arm(after);
    if (!before && state === 'PENDING.blocked') {
      for (const blocker of context.blockers) addTo(dependents, blocker, id);
    }
    if (isDone(state)) wakeDependents(tx, after);
  }

  /**
   * A wait that goes on is not measured anew: only its first look is at the wall clock, which may
   * have jumped since.
   */
  function arm({ id, state, context }: RunRecord, restMs = restOf): void {
    const deadline = runDeadline(state, context);
    const known = armed.get(id);
    if (deadline && known?.at === deadline.at && known.event === deadline.event) return;
    if (deadline) armed.set(id, deadline);
    else if (!armed.delete(id)) return;
    deadlines.set(id, deadline && clock.now() + restMs(deadline));
  }

  function restOf({ at, withinMs }: Deadline): number {
    return Math.min(Math.max(0, at - clock.wall()), withinMs);
  }

  /** Slaves end what is over: after a restart the master only waits for that, and can wait again. */
  function restAfterRestart(deadline: Deadline): number {
    return deadline.isWhole ? deadline.withinMs : restOf(deadline);
  }

  function wakeDependents(tx: Transaction, blocker: RunRecord): void {
    for (const id of dependents.get(blocker.id) ?? []) tellBlockerEnded(tx, id, blocker);
    dependents.delete(blocker.id);
  }

  function tellBlockerEnded(tx: Transaction, id: string, blocker: RunRecord): void {
    const at = clock.wall();
    const why = badEndOf(blocker);
    tx.run(
      id,
      why === undefined
        ? { type: 'run.unblocked', at, blocker: blocker.id }
        : { type: 'run.blockerFailed', at, blocker: blocker.id, why },
      'master',
    );
  }

  const hooks: LedgerHooks = {
    decided,
    published(events, steps) {
      for (const listener of listeners) listener(events, steps);
      for (const { run } of watchers.size > 0 ? events : []) {
        for (const wake of watchers.get(run) ?? []) wake();
      }
    },
    runEffect(effect: RunEffect, run: RunRecord) {
      if (effect === 'sendAssign') commands?.assign(run);
      else if (effect === 'sendStop') commands?.stop(run);
      else if (effect === 'conclude') {
        for (const wake of waiters.get(run.id) ?? []) wake(run);
        waiters.delete(run.id);
      }
    },
    giveUp: (tx, slave) => commands?.giveUp(tx, slave),
    slaveEffect(effect: Exclude<SlaveEffect, 'giveUpAttempts'>, slave: SlaveRecord) {
      if (effect === 'tellDrain') commands?.tell(slave, 'drain');
      else if (effect === 'tellResume') commands?.tell(slave, 'resume');
    },
    jobEffect(tx, _effect: JobEffect, job: JobRecord) {
      const { by, why } = job.context.abort!;
      for (const id of job.runs) {
        tx.run(id, { type: 'abort.requested', at: clock.wall(), by, why }, by);
      }
    },
    fatal(error) {
      log.error({ err: String(error) }, 'the store failed: this master ends');
      rejectFatal(error);
    },
  };
  const ledger = makeLedger({ store, archive, fence }, hooks);

  /** A store that fails is heard of through `fatal`. */
  function quietly(promise: Promise<void>): void {
    promise.catch((error: unknown) => log.debug({ err: String(error) }, 'transaction failed'));
  }

  function transact(decide: (tx: Transaction) => void): Promise<void> {
    return ledger.transact((tx) => {
      decide(tx);
      if (dirty && !placing) place(tx);
    });
  }

  /** Gives every slave with room the best run it can take, spreading over those with most room. */
  function place(tx: Transaction): void {
    dirty = buggify(clock, 'master.place.later');
    if (dirty || queue.size === 0) return;
    placing = true;
    try {
      const open = [...rooms.values()].filter(
        (room) => room.online && !room.draining && room.used.size < room.slots,
      );
      open.sort((a, b) => b.slots - b.used.size - (a.slots - a.used.size));
      for (let progress = true; progress && queue.size > 0;) {
        progress = false;
        for (const room of open) {
          if (room.used.size < room.slots && queue.size > 0) progress = grant(tx, room) || progress;
        }
      }
      recordVerdicts(tx);
    } finally {
      placing = false;
    }
  }

  function grant(tx: Transaction, room: Room): boolean {
    const id = queue.takeFor(room);
    if (id === undefined) return false;
    const event = {
      type: 'run.granted',
      at: clock.wall(),
      slave: room.name,
      token: ids.random(16),
    } as const;
    const run = tx.run(id, event, 'scheduler');
    assert(run, 'what is queued can be granted');
    occupy(room.name, id, run.context.attempt, run.facts.resources);
    return true;
  }

  /** A class whose verdict changed leaves a record: `why` is answered from these. */
  function recordVerdicts(tx: Transaction): void {
    for (const class_ of queue.classes()) {
      const last = verdicts.get(class_.key);
      if (last?.generation === generation) continue;
      const { verdict, summary, obstacles } = judge(class_.needs, rooms.values());
      verdicts.set(class_.key, { verdict, generation });
      if (last?.verdict === verdict) continue;
      const named = obstacles.slice(0, 5).map(({ name, detail }) => `${name} ${detail}`);
      const text = named.length > 0 ? `${summary}: ${named.join('; ')}` : summary;
      const record: DecisionRecord = { at: clock.wall(), verdict, summary: text };
      tx.put(keys.decision(classPath(class_.key), ledger.lastSeq()), pack(record));
    }
    if (verdicts.size > 10_000) verdicts.clear();
  }

  function occupy(
    slave: string,
    runId: string,
    attempt: number,
    resources: Record<string, number>,
  ): void {
    rooms.get(slave)?.used.set(slotKey(runId, attempt), resources);
  }

  return {
    ledger,
    queue,
    rooms,
    transact,
    occupy,
    vacate(slave, runId, attempt) {
      if (rooms.get(slave)?.used.delete(slotKey(runId, attempt))) dirty = true;
    },
    setRoom(room) {
      rooms.set(room.name, room);
      generation++;
      dirty = true;
    },
    connectSlaves: (given) => void (commands = given),
    onEvents: (listener) => void listeners.push(listener),
    untilDone(runId) {
      let giveUp = () => {};
      const record = new Promise<RunRecord | undefined>((resolve) => {
        addTo(waiters, runId, resolve);
        giveUp = () => {
          const waiting = waiters.get(runId);
          waiting?.delete(resolve);
          if (waiting?.size === 0) waiters.delete(runId);
          resolve(undefined);
        };
      });
      return { record, giveUp };
    },
    untilEvent(runId, signal) {
      return new Promise((resolve) => {
        const wake = () => {
          const waiting = watchers.get(runId);
          waiting?.delete(wake);
          if (waiting?.size === 0) watchers.delete(runId);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        addTo(watchers, runId, wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    },
    fatal,
    async open() {
      await ledger.load();
      const queued: RunRecord[] = [];
      for (const run of ledger.liveRuns()) {
        if (run.state === 'PENDING.queued') queued.push(run);
        arm(run, restAfterRestart);
        // Their ends are told in the commit that has them: all of these live.
        for (const blocker of run.context.blockers) addTo(dependents, blocker, run.id);
      }
      // As they came to the queue, which its last event tells: not as they were submitted.
      queued.sort((a, b) => a.events.at(-1)! - b.events.at(-1)!);
      for (const run of queued) queue.add(run.id, run.facts, run.context.ahead);
    },
    stop: () => deadlines.stop(),
  };
}

/** undefined: the run ended well, so what waits for it may go on. */
export function badEndOf(run: RunRecord): string | undefined {
  const { ending, reason } = run.context;
  if (run.state === 'COMPLETE' && ending?.kind === 'exited' && ending.code === 0) return undefined;
  return `${run.state} (${reason!})`;
}

/**
 * A class's key as part of a store key. A long one ends in its digest and is then longer than any
 * that stands there whole.
 */
export function classPath(key: string): string {
  const path = encodeURIComponent(key);
  if (path.length <= PATH_MAX) return path;
  return `${path.slice(0, PATH_MAX)}~${hash('sha256', key, 'hex')}`;
}

function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set) set.add(value);
  else map.set(key, new Set([value]));
}
