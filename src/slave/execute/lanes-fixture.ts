/** Lanes on this machine for each test, and what its tasks leave behind is a fault of the test. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { kill } from 'node:process';
import { afterEach, beforeEach, expect } from 'vitest';
import { until } from '../../../test/kit/until.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Executor, ProcessEnd, ProcessSpec } from '../ports.ts';
import { makeLanes } from './lanes.ts';
import { type Machine, probeMachine } from './machine.ts';
import { findProcess } from './process-tree.ts';

export const PATH = '/usr/bin:/bin';
export const machine = await probeMachine();
export let root: string;
export let executor: Executor;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lanes-'));
  executor = await open();
});

afterEach(async () => {
  await executor.close();
  const left = survivors();
  for (const pid of left) kill(pid, 'SIGKILL');
  rmSync(root, { recursive: true });
  expect(left).toEqual([]);
});

export function open(more: { slots?: number; machine?: Machine } = {}): Promise<Executor> {
  return makeLanes({ clock: systemClock, log: silentLog, workRoot: root, machine, ...more });
}

/** Unlike those of any other test that runs now; an attempt's processes are known by it. */
export function keyOf(name: string): string {
  return `${basename(root)}.${name}`;
}

function nameOf(key: string): string {
  return key.slice(basename(root).length + 1);
}

export function fileOf(key: string, name: string): string {
  return join(root, 'attempts', keyOf(key), name);
}

export function output(key: string, stream = 'stdout'): string {
  return readFileSync(fileOf(key, stream), 'utf8');
}

export function specOf(name: string, argv: string[], more: Partial<ProcessSpec> = {}): ProcessSpec {
  const key = keyOf(name);
  mkdirSync(join(root, 'attempts', key), { recursive: true });
  return {
    key,
    argv,
    cwd: '/tmp',
    isolation: 'none',
    stdout: fileOf(name, 'stdout'),
    stderr: fileOf(name, 'stderr'),
    env: { PATH, RUNYARD_ATTEMPT: key },
    ...more,
  };
}

/** Resolves with the end; checks that the start was told first. */
export function begin(key: string, argv: string[], more: Partial<ProcessSpec> = {}, by = executor) {
  return new Promise<ProcessEnd>((resolve) => {
    let hasStarted = false;
    by.start(specOf(key, argv, more), {
      started: () => (hasStarted = true),
      ended(end) {
        if (end.kind === 'exited') expect(hasStarted).toBe(true);
        resolve(end);
      },
    });
  });
}

export async function run(key: string, argv: string[], more: Partial<ProcessSpec> = {}) {
  const end = await begin(key, argv, more);
  expect(await executor.settle(keyOf(key), 0)).toBe(0);
  return end;
}

export async function adopt(keys: string[]) {
  const ends = new Map<string, Promise<ProcessEnd>>();
  const adopted = await executor.adopt(keys.map(keyOf), (key) => {
    let ended: (end: ProcessEnd) => void;
    ends.set(nameOf(key), new Promise((resolve) => (ended = resolve)));
    return { started: () => {}, ended: (end) => ended(end) };
  });
  return {
    states: Object.fromEntries(adopted.map(({ key, state }) => [nameOf(key), state])),
    ends,
  };
}

export function exited(code: number): ProcessEnd {
  return { kind: 'exited', code };
}

/** What a task wrote first, once it did. */
export async function written(key: string): Promise<string> {
  await until(() => existsSync(fileOf(key, 'stdout')) && output(key).includes('\n'));
  return output(key);
}

/** Live processes of any attempt of this test. */
export function survivors(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && findProcess(Number(name)))
    .filter((pid) => {
      try {
        const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        return pairs.some((pair) => pair.startsWith(`RUNYARD_ATTEMPT=${keyOf('')}`));
      } catch {
        return false; // It ended between the two looks.
      }
    })
    .map(Number);
}
