import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { until } from '../../../test/kit/until.ts';
import { type ManualClock, manualClock, systemClock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import type { Stream } from '../../protocol/outputs.ts';
import type { FinishedOutputs, OutputTail } from '../ports.ts';
import { makeOutputs } from './outputs.ts';

const MiB = 2 ** 20;
let root: string;
let files: Record<Stream, string>;
let clock: ManualClock;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'outputs-'));
  files = {
    stdout: join(root, 'stdout'),
    stderr: join(root, 'stderr'),
    combined: join(root, 'combined'),
  };
  clock = manualClock();
});

afterEach(() => rmSync(root, { recursive: true }));

describe('a short attempt', () => {
  test('hands its bytes back, and nothing is sent', async () => {
    const { sink, tail } = follow();
    write('stdout', 'out\n');
    write('stderr', 'err');
    const finished = await tail.finish({ inlineMax: 4096 });
    await tail.flushed();
    expect(texts(finished.inline!)).toEqual({
      stdout: 'out\n',
      stderr: 'err',
      combined: 'out\nerr',
    });
    expectManifests(finished, { stdout: 'out\n', stderr: 'err', combined: 'out\nerr' });
    expect(readFileSync(files.combined, 'utf8')).toBe('out\nerr');
    clock.advance(10_000);
    expect(sink.calls).toBe(0);
  });

  test('without output needs no file at all', async () => {
    const { tail } = follow();
    const finished = await tail.finish({ inlineMax: 0 });
    expectManifests(finished, { stdout: '', stderr: '', combined: '' });
    expect(texts(finished.inline!)).toEqual({ stdout: '', stderr: '', combined: '' });
    expect(existsSync(files.combined)).toBe(false);
  });

  test('with more bytes than may be inline is sent, and flushed when the sink has it', async () => {
    const { sink, tail } = follow();
    write('stdout', 'x'.repeat(3000));
    const finished = await tail.finish({ inlineMax: 4096 });
    expect(finished.inline).toBeUndefined();
    await tail.flushed();
    expectManifests(finished, sink.texts());
    expect(sink.texts().combined).toBe('x'.repeat(3000));
  });
});

describe('growth', () => {
  test('is at the sink within a second', async () => {
    const { sink, tail } = follow();
    write('stdout', 'line\n');
    await pass(1000);
    expect(sink.texts()).toEqual({ stdout: 'line\n', stderr: '', combined: 'line\n' });
    tail.stop();
  });

  test('is sent in order, one request at a time for each stream', async () => {
    const { sink, tail } = follow();
    for (let n = 0; n < 50; n++) {
      write('stdout', `out ${n}\n`);
      write('stderr', `err ${n}\n`);
      await pass(100);
    }
    const finished = await tail.finish();
    await tail.flushed();
    expect(sink.inFlightMax).toBe(1);
    expectManifests(finished, sink.texts());
    const lines = Array.from({ length: 50 }, (_, n) => n);
    expect(sink.texts().stdout).toBe(lines.map((n) => `out ${n}\n`).join(''));
    expect(sink.texts().combined.split('\n')).toHaveLength(101);
  });

  test('moves the time of the last output, and silence does not', async () => {
    const { tail } = follow();
    expect(tail.lastOutputAt).toBe(0);
    await pass(500);
    expect(tail.lastOutputAt).toBe(0);
    write('stderr', 'x');
    await pass(100);
    expect(tail.lastOutputAt).toBe(600);
    await pass(1000);
    expect(tail.lastOutputAt).toBe(600);
    tail.stop();
  });

  test('of a megabyte goes in chunks of at most 256 KiB', async () => {
    const { sink, tail } = follow();
    write('stdout', 'y'.repeat(MiB - 5));
    const finished = await tail.finish();
    await tail.flushed();
    expect(sink.largest).toBe(256 * 1024);
    expectManifests(finished, sink.texts());
  });

  test('survives a sink that fails at any time: nothing is lost, doubled or reordered', async () => {
    const action = fc.record({
      stdout: fc.string({ maxLength: 20 }),
      stderr: fc.string({ maxLength: 20 }),
      fails: fc.constantFrom('no', 'before', 'after'),
      restarts: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
        const sink = makeSink();
        for (const file of Object.values(files)) rmSync(file, { force: true });
        rmSync(`${files.combined}.progress`, { force: true });
        let { tail } = follow({ sink });
        const whole = { stdout: '', stderr: '' };
        for (const { stdout, stderr, fails, restarts } of actions) {
          sink.fails = fails;
          whole.stdout += write('stdout', stdout);
          whole.stderr += write('stderr', stderr);
          await pass(100);
          if (!restarts) continue;
          tail.stop();
          await pass(0);
          ({ tail } = follow({ sink, sinkSizes: sink.sizes() }));
        }
        sink.fails = 'no';
        const finished = await tail.finish();
        const flushed = tail.flushed();
        await pass(20_000);
        await flushed;
        expect(sink.texts()).toMatchObject(whole);
        expectManifests(finished, sink.texts());
        const isEmpty = sink.texts().combined === '';
        expect(isEmpty || readFileSync(files.combined, 'utf8')).toBe(
          isEmpty || sink.texts().combined,
        );
        expect(sink.texts().combined.split('').toSorted()).toEqual(
          (whole.stdout + whole.stderr).split('').toSorted(),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('is awaited no more after a stop', async () => {
    const { sink, tail } = follow();
    sink.fails = 'before';
    write('stdout', 'x');
    await tail.finish();
    const flushed = expect(tail.flushed()).rejects.toMatchObject({ code: 'output.stopped' });
    tail.stop();
    await flushed;
    const { calls } = sink;
    await pass(60_000);
    expect(sink.calls).toBe(calls);
  });
});

describe('combined', () => {
  test('tears no line that ends within a second', async () => {
    const { tail } = follow();
    write('stdout', 'first ha');
    write('stderr', 'error\n');
    await pass(200);
    write('stdout', 'lf\n');
    await pass(200);
    await tail.finish();
    expect(readFileSync(files.combined, 'utf8')).toBe('error\nfirst half\n');
  });

  test('shows a prompt that waits for longer', async () => {
    const { sink, tail } = follow();
    write('stdout', 'Password: ');
    await pass(1300);
    expect(sink.texts().combined).toBe('Password: ');
    tail.stop();
  });

  test('takes lines longer than any buffer, and bytes that are no text', async () => {
    const { sink, tail } = follow();
    const bytes = Buffer.alloc(300_000, 0xff);
    appendFileSync(files.stdout, bytes);
    await pass(100);
    write('stderr', 'e\n');
    await tail.finish();
    await tail.flushed();
    expect(sink.bytes('stdout').equals(bytes)).toBe(true);
    expect(sink.bytes('combined').filter((byte) => byte === 0xff)).toHaveLength(300_000);
  });
});

describe('the limit', () => {
  test('cuts a stream to so many bytes and says how many were dropped', async () => {
    const { sink, tail } = follow({ limitBytes: 100 });
    write('stdout', 'a'.repeat(80));
    await pass(100);
    write('stdout', 'b'.repeat(50));
    await pass(100);
    expect(statSync(files.stdout).size).toBe(100);
    write('stdout', 'c'.repeat(7));
    const finished = await tail.finish({ inlineMax: 4096 });
    await tail.flushed();
    const kept = `${'a'.repeat(80)}${'b'.repeat(20)}`;
    const whole = `${kept}\n[runyard: output truncated: 37 bytes dropped]\n`;
    expect(sink.texts()).toEqual({ stdout: whole, stderr: '', combined: whole });
    expectManifests(finished, sink.texts(), { stdout: 37, combined: 37 });
    expect(readFileSync(files.stdout, 'utf8')).toBe(whole);
  });

  test('holds for combined too, where it counts what both streams lost', async () => {
    const { sink, tail } = follow({ limitBytes: 10 });
    write('stdout', '12345678');
    await pass(1100);
    write('stderr', 'abcdefghijkl');
    const finished = await tail.finish();
    await tail.flushed();
    expect(sink.texts().combined).toBe(
      '12345678ab\n[runyard: output truncated: 10 bytes dropped]\n',
    );
    expectManifests(finished, sink.texts(), { stderr: 2, combined: 10 });
  });

  test('is remembered over a restart, also one after the end', async () => {
    const sink = makeSink();
    const first = follow({ sink, limitBytes: 10 }).tail;
    write('stdout', '0123456789ABC');
    await pass(100);
    first.stop();
    const second = follow({ sink, limitBytes: 10, sinkSizes: sink.sizes() }).tail;
    write('stdout', 'DEF');
    sink.fails = 'before';
    const finished = await second.finish();
    second.stop();
    sink.fails = 'no';
    const third = follow({ sink, limitBytes: 10, sinkSizes: sink.sizes() }).tail;
    const again = await third.finish();
    await third.flushed();
    expect(again).toEqual(finished);
    expect(sink.texts().stdout).toBe('0123456789\n[runyard: output truncated: 6 bytes dropped]\n');
    expectManifests(again, sink.texts(), { stdout: 6, combined: 6 });
  });

  test('keeps the file and the memory small while a task writes without end', async () => {
    const sink = makeSink({ keeps: false });
    const outputs = makeOutputs({ sink, clock: systemClock, log: silentLog });
    const tail = outputs.follow('k.1', files, 4 * MiB);
    const before = process.memoryUsage().rss;
    const descriptor = openSync(files.stdout, 'a');
    const yes = spawn('yes', { stdio: ['ignore', descriptor, 'ignore'] });
    closeSync(descriptor);
    await until(() => writtenBy(yes.pid!) >= 512 * MiB, 20);
    expect(statSync(files.stdout).blocks * 512).toBeLessThan(256 * MiB);
    yes.kill('SIGKILL');
    await once(yes, 'exit');
    const finished = await tail.finish();
    await tail.flushed();
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MiB);
    const { stdout, combined } = finished.manifests;
    expect(stdout.droppedBytes).toBeGreaterThan(64 * MiB);
    expect(statSync(files.stdout).size).toBe(stdout.bytes);
    expect(stdout.bytes).toBeLessThan(4 * MiB + 100);
    expect(sink.sizes()).toEqual({ stdout: stdout.bytes, stderr: 0, combined: combined.bytes });
  });
});

test('a task that empties its own output goes on where the sink was', async () => {
  const { sink, tail } = follow();
  write('stderr', 'one\ntwo\n');
  await pass(100);
  writeFileSync(files.stderr, 'three\n');
  await pass(100);
  const finished = await tail.finish();
  await tail.flushed();
  expect(sink.texts().stderr).toBe('one\ntwo\nthree\n');
  expectManifests(finished, sink.texts());
});

test('many attempts are followed with one timer', async () => {
  const setTimeout = vi.fn(clock.setTimeout);
  const outputs = makeOutputs({
    sink: makeSink(),
    clock: { ...clock, setTimeout },
    log: silentLog,
  });
  const tails = Array.from({ length: 100 }, (_, n) =>
    outputs.follow(`k.${n}`, { stdout: `${n}o`, stderr: `${n}e`, combined: `${n}c` }, MiB),
  );
  expect(setTimeout).toHaveBeenCalledTimes(1);
  clock.advance(1000);
  expect(setTimeout.mock.calls.length).toBeLessThan(15);
  for (const tail of tails) tail.stop();
  clock.advance(1000);
  const { length } = setTimeout.mock.calls;
  clock.advance(10_000);
  expect(setTimeout.mock.calls).toHaveLength(length);
});

function writtenBy(pid: number): number {
  return Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]);
}

test('a sink that lost what it had, as in a power cut, gets all of it again', async () => {
  const sink = makeSink();
  const { tail } = follow({ sink });
  const first = write('stdout', 'first line\n');
  await pass(200);
  expect(sink.texts().stdout).toBe(first);
  sink.lose('stdout', 4);
  const second = write('stdout', 'second line\n');
  await pass(200);
  const finished = await tail.finish();
  await pass(1000);
  await tail.flushed();
  expect(sink.texts().stdout).toBe(first + second);
  expectManifests(finished, {
    stdout: first + second,
    stderr: '',
    combined: first + second,
  });
});

interface FollowOptions {
  sink?: Sink;
  limitBytes?: number;
  sinkSizes?: Record<Stream, number>;
}

function follow({ sink = makeSink(), limitBytes = MiB, sinkSizes }: FollowOptions = {}): {
  sink: Sink;
  tail: OutputTail;
} {
  const outputs = makeOutputs({ sink, clock, log: silentLog });
  return { sink, tail: outputs.follow('k.1', files, limitBytes, sinkSizes) };
}

function write(stream: Stream, text: string): string {
  appendFileSync(files[stream], text);
  return text;
}

/** Moves the clock in small steps and lets what it woke run. */
async function pass(ms: number): Promise<void> {
  for (let rest = ms; rest >= 0; rest -= 50) {
    clock.advance(Math.min(50, rest));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function expectManifests(
  { manifests }: FinishedOutputs,
  streams: Record<Stream, string>,
  dropped: Partial<Record<Stream, number>> = {},
): void {
  for (const [stream, manifest] of Object.entries(manifests)) {
    const bytes = Buffer.from(streams[stream as Stream]);
    expect({ stream, ...manifest }).toEqual({
      stream,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      droppedBytes: dropped[stream as Stream] ?? 0,
    });
  }
}

function texts(bytes: Record<Stream, Uint8Array>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(bytes).map(([stream, part]) => [stream, Buffer.from(part).toString()]),
  );
}

type Sink = ReturnType<typeof makeSink>;

/** Keeps what it is given, refuses gaps, and fails before or after keeping it if told to. */
function makeSink({ keeps = true } = {}) {
  const kept: Record<Stream, Buffer[]> = { stdout: [], stderr: [], combined: [] };
  const sizes = { stdout: 0, stderr: 0, combined: 0 };
  const inFlight = { stdout: 0, stderr: 0, combined: 0 };
  let lossy = false;
  const sink = {
    /** Keeps only the first `size` bytes. */
    lose(stream: Stream, size: number) {
      lossy = true;
      kept[stream] = [Buffer.concat(kept[stream]).subarray(0, size)];
      sizes[stream] = size;
    },
    fails: 'no',
    calls: 0,
    largest: 0,
    inFlightMax: 0,
    async append(_key: string, stream: Stream, offset: number, bytes: Uint8Array) {
      sink.calls++;
      sink.largest = Math.max(sink.largest, bytes.length);
      sink.inFlightMax = Math.max(sink.inFlightMax, ++inFlight[stream]);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight[stream]--;
      if (sink.fails === 'before') throw new Error('the sink is away');
      if (offset > sizes[stream] && lossy) throw new YardError('output.offset', 'past the end');
      expect(offset).toBeLessThanOrEqual(sizes[stream]);
      const fresh = bytes.subarray(sizes[stream] - offset);
      if (keeps) kept[stream].push(Buffer.from(fresh));
      sizes[stream] += fresh.length;
      if (sink.fails === 'after') throw new Error('the answer of the sink is lost');
    },
    sizes: () => ({ ...sizes }),
    bytes: (stream: Stream) => Buffer.concat(kept[stream]),
    texts: () => ({
      stdout: Buffer.concat(kept.stdout).toString(),
      stderr: Buffer.concat(kept.stderr).toString(),
      combined: Buffer.concat(kept.combined).toString(),
    }),
  };
  return sink;
}
