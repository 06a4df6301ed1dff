import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { manualClock } from '../../base/clock.ts';
import { seededRandom } from '../../base/random.ts';
import { takeLock } from './lock.ts';
import type { Lock } from './lock.ts';

let root: string;
let path: string;
let takers = 0;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'runyard-lock-test-'));
  path = join(root, 'lock');
});
afterEach(() => rmSync(root, { recursive: true }));

test('a lock says who holds it, and is gone once released', async () => {
  const lock = await take();
  expect(content()).toMatchObject({ pid: process.pid, since: '2026-01-01T00:00:00.000Z' });
  await expect(take()).rejects.toMatchObject({
    code: 'store.locked',
    what: `by pid ${process.pid} since 2026-01-01T00:00:00.000Z`,
  });
  expect(readdirSync(root)).toEqual(['lock']);
  await lock.release();
  expect(readdirSync(root)).toEqual([]);
  await (await take()).release();
});

test('of many who want it at once one gets it', async () => {
  expect(await race(20)).toBe(1);
  expect(readdirSync(root)).toEqual(['lock']);
});

test('the lock of a process that was killed is taken over', async () => {
  const child = await startedChild();
  const lock = await takeLock(path, options(child.pid!));
  await expect(take()).rejects.toMatchObject({ what: expect.stringContaining(`${child.pid}`) });
  await ended(child);
  const mine = await take();
  expect(content()).toMatchObject({ pid: process.pid });
  // Too late: it is another's now.
  await lock.release();
  expect(content()).toMatchObject({ pid: process.pid });
  await mine.release();
});

test('of many who find the lock of a dead process one gets it', async () => {
  for (let round = 0; round < 20; round++) {
    await stale({});
    expect(await race(10)).toBe(1);
    expect(readdirSync(root)).toEqual(['lock']);
    rmSync(path);
  }
});

test('a pid that another process has now is no holder', async () => {
  await stale({ pid: process.pid, startedAt: '17' });
  await (await take()).release();
});

test('a pid of an earlier boot is no holder, unless it is of another machine', async () => {
  await stale({ pid: process.pid, boot: 'an earlier one' });
  await (await take()).release();
  await stale({ pid: 812, boot: 'its own', host: 'elsewhere' });
  await expect(take()).rejects.toMatchObject({
    code: 'store.locked',
    what: expect.stringContaining('by pid 812 on "elsewhere" since'),
    hint: expect.stringContaining('remove'),
  });
});

test('who died while it took over a lock keeps nobody out', async () => {
  const { token } = await stale({});
  writeFileSync(`${path}.after-${token}`, JSON.stringify({ ...content(), token: '1'.repeat(16) }));
  writeFileSync(
    `${path}.after-${'1'.repeat(16)}`,
    JSON.stringify({ ...content(), token: '2'.repeat(16) }),
  );
  expect(await race(10)).toBe(1);
  expect(readdirSync(root)).toEqual(['lock']);
});

test('a lock that says nothing is not taken over', async () => {
  for (const text of ['', '{', 'null', '{"pid":1}']) {
    writeFileSync(path, text);
    await expect(take()).rejects.toMatchObject({ code: 'store.locked' });
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
});

function options(pid: number) {
  return { clock: manualClock(), random: seededRandom(takers++), pid };
}

function take(): Promise<Lock> {
  return takeLock(path, options(process.pid));
}

/** How many of so many get it; the others are told that it is held. */
async function race(count: number): Promise<number> {
  const attempts = await Promise.allSettled(Array.from({ length: count }, take));
  for (const attempt of attempts) {
    if (attempt.status === 'rejected') {
      expect(attempt.reason).toMatchObject({ code: 'store.locked' });
    }
  }
  return attempts.filter(({ status }) => status === 'fulfilled').length;
}

function content(): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

/** Leaves a lock behind whose process is gone, or is what `more` says. */
async function stale(more: Record<string, unknown>): Promise<{ token: string }> {
  await take();
  // Above what Linux gives to a process.
  const holder = { ...content(), pid: 2 ** 22 + 1, ...more };
  writeFileSync(path, JSON.stringify(holder));
  return holder as unknown as { token: string };
}

async function startedChild() {
  const child = spawn('sleep', ['100'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('spawn', resolve));
  return child;
}

function ended(child: ReturnType<typeof spawn>): Promise<unknown> {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return exit;
}
