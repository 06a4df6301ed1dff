import { type Clock, sleep } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { AttemptProcess } from './attempt-process.ts';
import { signalProcess } from './lane.ts';
import type { Machine } from './machine.ts';
import {
  type LiveProcess,
  type ProcessTable,
  isAlive,
  looksLikeParent,
  readTable,
  selectTree,
  walkTree,
} from './process-tree.ts';
import { makeTaskGroups } from './task-groups.ts';

/** The shortest pause between two readings of all of /proc that nobody is in a hurry for. */
const TABLE_PAUSE_MS = 25;
/** Rounds of killing one by one, after which the whole group dies at once, its lane too. */
const GENTLE_ROUNDS = 8;
/** As many processes are not killed one by one: they may fork faster than that. */
const GENTLE_MAX = 100;
const ROUND_MAX_MS = 50;
/** bwrap, its init, and the shell in it that waits for the task. */
const SANDBOX_OWN = 3;

/** Finds, signals and empties the process trees of attempts. */
export interface Trees {
  /** Before the start: gives it a control group where it is to have one; else why it cannot. */
  plant: (process: AttemptProcess) => string | undefined;
  /** Everything alive of that attempt, its lane excepted. */
  find: (process: AttemptProcess) => LiveProcess[];
  /** The same, for those who can wait: all that ask together share one look. */
  findSoon: (process: AttemptProcess) => Promise<LiveProcess[]>;
  terminate: (process: AttemptProcess) => void;
  /** Resolves when the process has ended and its tree is empty. */
  kill: (process: AttemptProcess) => Promise<void>;
  /** Once it is empty: takes away what `plant` gave. */
  clear: (process: AttemptProcess) => void;
}

export function makeTrees(clock: Clock, log: Log, machine: Machine): Trees {
  const hasSubreaper = machine.subreaper.length > 0;
  const groups = makeTaskGroups(machine, clock, log);
  const findTable = sharedTable(clock);

  /** By whom the kernel itself holds together; undefined if that is nobody. */
  function findHeld({ lane, group }: AttemptProcess): LiveProcess[] | undefined {
    const grouped = group === undefined ? undefined : groups.find(group);
    if (!hasSubreaper || !lane?.root) return grouped;
    // Not yet in its group, or moved out of it by a task that is root.
    const below = walkTree(lane.root.pid);
    const known = new Set(below.map(({ pid }) => pid));
    return [...below, ...(grouped ?? []).filter(({ pid }) => !known.has(pid))];
  }

  function find(process: AttemptProcess): LiveProcess[] {
    return findHeld(process) ?? selectTree(readTable(), process.root, process.key);
  }

  async function findSoon(process: AttemptProcess): Promise<LiveProcess[]> {
    const held = findHeld(process);
    if (held) return held;
    return selectTree(await findTable(), process.root, process.key);
  }

  function terminate(process: AttemptProcess, againMs = 1): void {
    const found = find(process);
    const targets = process.isolation === 'bwrap' ? found.slice(SANDBOX_OWN) : found;
    // A shell that is about to become the task would catch the signal and forget it.
    const isBorn = targets[0] !== undefined && !looksLikeParent(targets[0]);
    if (!isBorn && !process.hasEnded) {
      const again = () => terminate(process, Math.min(againMs * 2, ROUND_MAX_MS));
      if (!process.killed) clock.setTimeout(again, againMs);
      return;
    }
    const group = process.isolation === 'bwrap' ? undefined : process.root?.pid;
    // The group at once, so that a fork meanwhile escapes nothing; the lane has a trap for it.
    if (targets.some((target) => target.group === group)) signalProcess(-group!, 'SIGTERM');
    for (const { pid, group: other } of targets) {
      if (other !== group) signalProcess(pid, 'SIGTERM');
    }
  }

  async function kill(process: AttemptProcess): Promise<void> {
    for (let round = 0; !process.isSettled; round++) {
      const found = find(process);
      if (found.length === 0 && process.hasEnded) return;
      if (process.group !== undefined) groups.kill(process.group);
      for (const { pid } of found) signalProcess(pid, 'SIGKILL');
      if (round >= GENTLE_ROUNDS || found.length > GENTLE_MAX) killGroup(process, found);
      if (round === 100) log.warn({ key: process.key, found }, 'processes do not die of SIGKILL');
      await sleep(clock, Math.min(2 ** round, ROUND_MAX_MS));
    }
  }

  function killGroup({ root }: AttemptProcess, found: readonly LiveProcess[]): void {
    if (!root) return;
    const hasGroup = isAlive(root) || found.some(({ group }) => group === root.pid);
    if (hasGroup) signalProcess(-root.pid, 'SIGKILL');
  }

  return { plant: groups.give, find, findSoon, terminate, kill, clear: groups.remove };
}

/** Reads the process table at most so often; what it gives was read after it was asked for. */
function sharedTable(clock: Clock): () => Promise<ProcessTable> {
  let next: Promise<ProcessTable> | undefined;
  let readAt = -Infinity;
  return () => {
    next ??= new Promise((resolve, reject) => {
      clock.setTimeout(
        () => {
          next = undefined;
          readAt = clock.now();
          try {
            resolve(readTable());
          } catch (error) {
            reject(error as Error);
          }
        },
        Math.max(0, readAt + TABLE_PAUSE_MS - clock.now()),
      );
    });
    return next;
  };
}
