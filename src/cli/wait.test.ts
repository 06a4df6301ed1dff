import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import type { RunStatus } from '../protocol/run.ts';
import type { Client } from './client.ts';
import { aRun, bytesOf } from './host-fixture.ts';
import { followRun, waitForRun } from './wait.ts';

const RUNNING = aRun({ state: 'RUNNING', substate: 'executing', exitCode: undefined as never });

test('waiting tells each change once and ends with the run', async () => {
  const answers = [aRun({ state: 'PENDING', attempt: 0 }), RUNNING, RUNNING, aRun()];
  const { waiting, changes } = aWaiting({ waitRun: async () => answers.shift()! });
  expect(await waitForRun('r', waiting)).toMatchObject({ state: 'COMPLETE' });
  expect(changes.map(({ state }) => state)).toEqual(['PENDING', 'RUNNING', 'COMPLETE']);
});

test('following hands on every attempt, once, in order', async () => {
  const statuses = [
    aRun({ state: 'PENDING', attempt: 0, stdoutRef: undefined as never }),
    RUNNING,
    aRun({ state: 'PENDING', substate: 'backoff', attempt: 1 }),
    { ...RUNNING, attempt: 2 },
    aRun({ attempt: 2 }),
  ];
  const { waiting, clock } = aWaiting({
    getRun: async () => statuses.shift()!,
    followOutput: (_, stream, { attempt, from = 0 }) =>
      bytesOf(`${stream} of ${attempt}\n`.slice(from)),
  });
  const seen: string[] = [];
  const sink = (bytes: Uint8Array) => void seen.push(Buffer.from(bytes).toString());
  const followed = followRun('r', { stdout: sink }, waiting);
  expect(await passing(clock, followed)).toMatchObject({ state: 'COMPLETE', attempt: 2 });
  expect(seen.filter(Boolean)).toEqual(['stdout of 1\n', 'stdout of 2\n']);
});

test('a master that restarts is waited for, and no byte is printed twice', async () => {
  let cuts = 0;
  const { waiting, clock, troubles } = aWaiting({
    getRun: async () => (cuts === 0 ? RUNNING : aRun()),
    followOutput: (_, __, { from = 0 }) => cutOnce(from),
  });
  async function* cutOnce(from: number): AsyncGenerator<Uint8Array> {
    const whole = Buffer.from('one two three');
    if (cuts++ > 0) return void (yield whole.subarray(from));
    yield whole.subarray(0, 4);
    throw new YardError('net.unreachable', 'master is away');
  }
  let seen = '';
  const sink = (bytes: Uint8Array) => void (seen += Buffer.from(bytes).toString());
  await passing(clock, followRun('r', { combined: sink }, waiting));
  expect(seen).toBe('one two three');
  expect(troubles).toEqual(['net.unreachable: master is away']);
});

test('an output that ends before its attempt, since the master closed, is taken up again', async () => {
  const whole = 'one two three';
  const ends = [3, 3, 7, whole.length];
  const facts = { bytes: whole.length, sha256: '', droppedBytes: 0 };
  const outputs = { stdout: facts, stderr: facts, combined: facts };
  const { waiting, clock } = aWaiting({
    getRun: async () => (ends.length > 0 ? RUNNING : aRun({ outputs })),
    followOutput: (_, __, { from = 0 }) => bytesOf(whole.slice(from, ends.shift())),
  });
  let seen = '';
  const sink = (bytes: Uint8Array) => void (seen += Buffer.from(bytes).toString());
  await passing(clock, followRun('r', { stdout: sink }, waiting));
  expect(seen).toBe(whole);
});

test('a master that stays away is given up after five minutes', async () => {
  const { waiting, clock } = aWaiting({
    waitRun: () => Promise.reject(new YardError('net.unreachable', 'master is away')),
  });
  const waited = passing(clock, waitForRun('r', waiting));
  await expect(waited).rejects.toThrow('net.unreachable');
  expect(clock.now()).toBeGreaterThanOrEqual(300_000);
});

test('what the master refuses is not asked again', async () => {
  let asked = 0;
  const { waiting } = aWaiting({
    async waitRun() {
      asked++;
      throw new YardError('run.unknown', 'no run "r"');
    },
  });
  await expect(waitForRun('r', waiting)).rejects.toThrow('run.unknown');
  expect(asked).toBe(1);
});

test('who stops waiting is let go although the master is away', async () => {
  const controller = new AbortController();
  const { waiting } = aWaiting(
    { waitRun: () => Promise.reject(new YardError('net.unreachable', 'master is away')) },
    controller.signal,
  );
  const waited = waitForRun('r', waiting);
  controller.abort('SIGINT');
  await expect(waited).rejects.toBe('SIGINT');
});

function aWaiting(client: Partial<Client>, signal = new AbortController().signal) {
  const clock = manualClock();
  const changes: RunStatus[] = [];
  const troubles: string[] = [];
  const waiting = {
    client: client as Client,
    clock,
    signal,
    onChange: (run: RunStatus) => void changes.push(run),
    onTrouble: (line: string) => void troubles.push(line),
  };
  return { waiting, clock, changes, troubles };
}

/** Lets time pass, a second at a time, until it is settled. */
async function passing<T>(clock: ReturnType<typeof manualClock>, promise: Promise<T>): Promise<T> {
  let settled = false;
  const settle = () => void (settled = true);
  promise.then(settle, settle);
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  return promise;
}
