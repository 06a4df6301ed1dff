import { readFileSync, readdirSync } from 'node:fs';
import type { AttemptKey } from '../ports.ts';

/** One live process; zombies are not listed, they run nothing. */
export interface LiveProcess {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Clock ticks since boot; with the pid it names a process for ever. */
  startTime: string;
}

/** The lane of a task, alive or not. */
export interface TreeRoot {
  pid: number;
  startTime: string;
}

export function findProcess(pid: number): LiveProcess | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (!stat) return undefined;
  // The name before it may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: fields[19]!,
  };
}

export function isAlive(root: TreeRoot): boolean {
  return findProcess(root.pid)?.startTime === root.startTime;
}

/** The subshell that a shell makes for a task looks like that shell until it becomes the task. */
export function looksLikeParent({ pid, parent }: LiveProcess): boolean {
  return read(`/proc/${pid}/cmdline`) === read(`/proc/${parent}/cmdline`);
}

/**
 * The live descendants of a lane that is a subreaper, nearest first. Empty means that there is
 * none, for certain: whatever lives hangs below a live child of the lane.
 */
export function walkTree(lane: number): LiveProcess[] {
  for (let before = childrenOf(lane); ;) {
    const found = descend(before);
    if (found.length > 0 || before.length === 0) return found;
    // A child that died meanwhile may have handed over children of its own.
    const after = childrenOf(lane);
    if (after.join() === before.join()) return [];
    before = after;
  }
}

function descend(roots: readonly number[]): LiveProcess[] {
  const found: LiveProcess[] = [];
  const seen = new Set<number>();
  let level = roots;
  while (level.length > 0) {
    const next: number[] = [];
    for (const pid of level) {
      const live = seen.has(pid) ? undefined : findProcess(pid);
      seen.add(pid);
      if (!live) continue;
      found.push(live);
      next.push(...childrenOf(pid));
    }
    level = next;
  }
  return found;
}

function childrenOf(pid: number): number[] {
  return list(`/proc/${pid}/task`).flatMap((thread) =>
    (read(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number),
  );
}

/** All live processes with the attempt that their environment names, if any. */
export type ProcessTable = (LiveProcess & { cookie: AttemptKey | undefined })[];

/** Costs some ten microseconds for every process of the machine. */
export function readTable(): ProcessTable {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const live = findProcess(Number(name));
      return live ? [{ ...live, cookie: cookieOf(name) }] : [];
    });
}

/**
 * Those that belong to an attempt: below its lane, in the lane's session or group, or with the
 * attempt's key in their environment, and all that is below those. The lane is not among them.
 */
export function selectTree(table: ProcessTable, lane: TreeRoot | undefined, key: AttemptKey) {
  const ids = new Set<number>(lane ? [lane.pid] : []);
  const found: ProcessTable = [];
  for (let grew = true; grew;) {
    grew = false;
    for (const entry of table) {
      const belongs =
        entry.cookie === key ||
        ids.has(entry.parent) ||
        (lane && (entry.group === lane.pid || entry.session === lane.pid));
      // Whatever is older than the lane has only inherited a number that was used again.
      const tooOld = lane && BigInt(entry.startTime) < BigInt(lane.startTime);
      if (!belongs || tooOld || ids.has(entry.pid)) continue;
      ids.add(entry.pid);
      found.push(entry);
      grew = true;
    }
  }
  return found;
}

const COOKIE = 'RUNYARD_ATTEMPT=';

function cookieOf(pid: string): AttemptKey | undefined {
  const environment = read(`/proc/${pid}/environ`);
  const entry = environment?.split('\0').find((pair) => pair.startsWith(COOKIE));
  return entry?.slice(COOKIE.length);
}

function read(path: string): string | undefined {
  return unlessGone(() => readFileSync(path, 'utf8'));
}

function list(path: string): string[] {
  return unlessGone(() => readdirSync(path)) ?? [];
}

/** Processes end while one looks at them, and some belong to others. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code ?? '')) return undefined;
    throw error;
  }
}
