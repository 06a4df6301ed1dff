/** The files of one attempt, a clock that a test moves, and a sink that can be told to fail. */
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { type ManualClock, manualClock, systemClock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import type { Stream } from '../../protocol/outputs.ts';
import type { FinishedOutputs, OutputTail } from '../ports.ts';
import { makeOutputs } from './outputs.ts';

export const MiB = 2 ** 20;
let root: string;
export let files: Record<Stream, string>;
export let clock: ManualClock;

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

interface FollowOptions {
  sink?: Sink;
  limitBytes?: number;
  sinkSizes?: Record<Stream, number>;
}

export function follow({ sink = makeSink(), limitBytes = MiB, sinkSizes }: FollowOptions = {}): {
  sink: Sink;
  tail: OutputTail;
} {
  const outputs = makeOutputs({ sink, clock, log: silentLog });
  return { sink, tail: outputs.follow('k.1', files, limitBytes, sinkSizes) };
}

export function write(stream: Stream, text: string): string {
  appendFileSync(files[stream], text);
  return text;
}

/** Moves the clock in small steps and lets what it woke run. */
export async function pass(ms: number): Promise<void> {
  for (let rest = ms; rest >= 0; rest -= 50) {
    clock.advance(Math.min(50, rest));
    await turnOver();
  }
}

export function expectManifests(
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

export function texts(bytes: Record<Stream, Uint8Array>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(bytes).map(([stream, part]) => [stream, Buffer.from(part).toString()]),
  );
}

type Sink = ReturnType<typeof makeSink>;

/** Keeps what it is given, refuses gaps, and fails before or after keeping it if told to. */
export function makeSink({ keeps = true } = {}) {
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
      await turnOver();
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

function turnOver(): Promise<void> {
  return new Promise((resolve) => systemClock.soon(resolve));
}
