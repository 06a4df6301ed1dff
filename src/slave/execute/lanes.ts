import { dirname } from 'node:path';
import { ChurnMap } from '../../base/churn-map.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { assert } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { ISOLATIONS } from '../../protocol/run.ts';
import type { AttemptKey, Executor, ProcessEnd, ProcessEvents, ProcessSpec } from '../ports.ts';
import { makeAdoption } from './adopt.ts';
import { type AttemptProcess, makeAttemptProcess } from './attempt-process.ts';
import { makeLanePool } from './lane-pool.ts';
import { type Machine, probeMachine } from './machine.ts';
import { whyUnstartable } from './task-text.ts';
import { makeTrees } from './trees.ts';
import type { Trees } from './trees.ts';
import { makeWatchdogs } from './watchdog.ts';

export interface LaneOptions {
  clock: Clock;
  log: Log;
  /** The attempts that `adopt` finds have their directories in `attempts/` below it. */
  workRoot: string;
  /** How many tasks run at once; more wait in order. Without it, as many as are started. */
  slots?: number;
  /** Found by trying it, unless given. */
  machine?: Machine;
}

const DRAIN_POLL_MAX_MS = 50;

/**
 * Runs processes under resident shells, one task at a time each. The shells outlive this process:
 * they finish their task, leave its end in the file `exit` beside its streams, and end.
 *
 * After every end `settle` must be called: a lane with something left behind serves no other
 * attempt before that.
 */
export async function makeLanes(options: LaneOptions): Promise<Executor> {
  const { clock, log, workRoot, slots = Infinity } = options;
  const machine = options.machine ?? (await probeMachine());
  const trees = makeTrees(clock, log, machine);
  const pool = makeLanePool(machine, slots, log, end);
  const adoption = makeAdoption(clock, workRoot, hold, end);
  const processes = new ChurnMap<AttemptKey, AttemptProcess>();
  const watchdogs = makeWatchdogs(machine, log, (key) => processes.get(key));

  function hold(process: AttemptProcess): void {
    assert(!processes.has(process.key), `attempt ${process.key} is held already`);
    processes.set(process.key, process);
  }

  function start(spec: ProcessSpec, on: ProcessEvents): void {
    const { key, isolation } = spec;
    const exitFile = `${dirname(spec.stdout)}/exit`;
    const process = makeAttemptProcess({ key, isolation, group: undefined, exitFile, on });
    hold(process);
    const why = whyUnstartable(spec, machine) ?? trees.plant(process);
    if (why !== undefined) queueMicrotask(() => end(process, { kind: 'unstartable', why }, true));
    else pool.launch(process, spec);
  }

  function end(process: AttemptProcess, how: ProcessEnd, isEmpty = false): void {
    process.hasEnded = true;
    if (isEmpty) release(process);
    process.on.ended(how);
  }

  function release(process: AttemptProcess): void {
    if (process.isSettled) return;
    process.isSettled = true;
    processes.delete(process.key);
    watchdogs.clear(process);
    trees.clear(process);
    pool.giveBack(process);
  }

  function signal(key: AttemptKey, name: 'SIGTERM' | 'SIGKILL'): void {
    const process = processes.get(key);
    if (!process) return;
    if (pool.cancel(process)) {
      queueMicrotask(() => end(process, { kind: 'signalled', signal: name }, true));
    } else if (name === 'SIGTERM') trees.terminate(process);
    else process.killed ??= trees.kill(process);
  }

  return {
    isolations: ISOLATIONS.filter((name) => name === 'none' || machine[name] !== undefined),
    start,
    guard: watchdogs.set,
    signal,
    async settle(key, drainMs) {
      const process = processes.get(key);
      const left = process ? await drain(process, drainMs, clock, trees) : 0;
      if (process) release(process);
      return left;
    },
    adopt: async (keys, on) => adoption.adopt(keys, on),
    async close() {
      adoption.close();
      await pool.close();
    },
  };
}

/** Gives what was left behind its time, then kills it; how many that were. */
async function drain(
  process: AttemptProcess,
  drainMs: number,
  clock: Clock,
  trees: Trees,
): Promise<number> {
  assert(process.hasEnded, `attempt ${process.key} is settled before it ended`);
  const until = clock.now() + drainMs;
  let found = await trees.findSoon(process);
  // A pid namespace leaves nothing behind; what may be seen of it is its init, on its way out.
  const left = process.isolation === 'bwrap' ? 0 : found.length;
  for (let pauseMs = 2; found.length > 0 && !process.killed; pauseMs *= 2) {
    const restMs = until - clock.now();
    if (restMs <= 0) process.killed ??= trees.kill(process);
    else await sleep(clock, Math.min(pauseMs, DRAIN_POLL_MAX_MS, restMs));
    found = await trees.findSoon(process);
  }
  await process.killed;
  return left;
}
