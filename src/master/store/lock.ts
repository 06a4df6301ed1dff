import { link, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { YardError, quote } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { formatInstant } from '../../base/units.ts';

/**
 * The lock of a state directory: a file that says which process owns it. LevelDB has one too, but
 * cannot say whose it is, and some of its tools ignore it.
 */
export interface Lock {
  release: () => Promise<void>;
}

export interface LockOptions {
  clock: Clock;
  random: Random;
  pid: number;
}

interface Holder {
  pid: number;
  /** In ticks since boot: another process may have the same pid later. */
  startedAt: string;
  host: string;
  /** Tells a pid of this boot from one of an earlier. */
  boot: string;
  /** When the lock was taken. */
  since: string;
  /** Unique to this lock. */
  token: string;
}

/** Takes the lock at `path`; one whose process is gone is taken over. */
export async function takeLock(path: string, options: LockOptions): Promise<Lock> {
  const holder = await describeSelf(options);
  const mine = `${path}.${holder.token}`;
  try {
    await writeDurably(mine, `${JSON.stringify(holder)}\n`);
    while (!(await tryOnce(path, mine, holder))) {
      // Somebody released or took over the lock while it was looked at.
    }
  } finally {
    await rm(mine, { force: true });
  }
  return {
    async release() {
      const current = await readHolder(path);
      if (current?.token === holder.token) await rm(path, { force: true });
    },
  };
}

/** Throws `store.locked` where a live process holds the lock at `path`; changes nothing. */
export async function refuseIfHeld(path: string, options: LockOptions): Promise<void> {
  const self = await describeSelf(options);
  const holder = await readHolder(path);
  if (holder && (await isAlive(holder, self))) throw lockedBy(holder, path, self);
}

/** False: what was seen has changed meanwhile. */
async function tryOnce(path: string, mine: string, self: Holder): Promise<boolean> {
  if (await linkNew(mine, path)) return true;
  const dead = await readHolder(path);
  if (!dead) return false;
  const claim = await claimAfter(path, dead, mine, self);
  if (claim === undefined) return false;
  if ((await readHolder(path))?.token !== dead.token) {
    await rm(claim, { force: true });
    return false;
  }
  // Only the owner of the claim may replace this lock, so nobody replaces it in between.
  await rename(mine, path);
  await rm(claim, { force: true });
  await removeLeftOvers(path, self);
  return true;
}

/** What dead processes left of their attempts; a live one still needs its own. */
async function removeLeftOvers(path: string, self: Holder): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const leftOver = join(dirname(path), name);
    const holder = parseHolder((await readIfThere(leftOver)) ?? '');
    if (holder && !(await isAlive(holder, self))) await rm(leftOver, { force: true });
  }
}

/**
 * Makes the file that gives the right to replace the lock of `dead`: named after its token, so that
 * it is made once. Where a process died holding that right, the next is named after its token.
 */
async function claimAfter(path: string, dead: Holder, mine: string, self: Holder) {
  for (let last: Holder | undefined = dead; last;) {
    if (await isAlive(last, self)) throw lockedBy(last, path, self);
    const claim = `${path}.after-${last.token}`;
    if (await linkNew(mine, claim)) return claim;
    last = await readHolder(claim);
  }
  return undefined;
}

/** The link appears whole or not at all, and never replaces another. */
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const holder = parseHolder(text);
  if (holder) return holder;
  throw new YardError('store.locked', `${path} says nothing about who holds it`, {
    hint: 'remove it only if no master uses this directory',
  });
}

function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    const whole = Number.isInteger(holder?.pid) && /^[0-9a-f]{16}$/.test(holder?.token ?? '');
    return whole ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

function lockedBy({ pid, host, since }: Holder, path: string, self: Holder): YardError {
  const where = host === self.host ? '' : ` on ${quote(host)}`;
  return new YardError('store.locked', `by pid ${pid}${where} since ${since}`, {
    hint: where === '' ? 'stop that master first' : `remove ${path} only if that machine is gone`,
  });
}

async function isAlive(holder: Holder, self: Holder): Promise<boolean> {
  if (holder.boot !== self.boot) return holder.host !== self.host;
  const startedAt = await startOf(holder.pid);
  if (startedAt === undefined) return self.startedAt === '';
  return startedAt === holder.startedAt;
}

async function describeSelf({ clock, random, pid }: LockOptions): Promise<Holder> {
  return {
    pid,
    startedAt: (await startOf(pid)) ?? '',
    host: hostname(),
    boot: ((await readIfThere('/proc/sys/kernel/random/boot_id')) ?? '').trim(),
    since: formatInstant(clock.wall()),
    token: Buffer.from(random.bytes(8)).toString('hex'),
  };
}

/** When a process began, in the kernel's words; undefined if it is gone or nobody can say. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  // The name, which is in parentheses, may hold anything; the fields after it are fixed.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ESRCH: the process ended between the opening and the reading.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
