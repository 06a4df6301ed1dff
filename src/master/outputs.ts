/**
 * What runs wrote and kept, on the blob store: slaves append to it while they run, a finished
 * report seals it, readers follow it.
 */
import { PassThrough, Readable } from 'node:stream';
import { EMPTY_SHA256 } from '../base/sha256.ts';
import { buggify } from '../base/buggify.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isDone } from '../protocol/run.ts';
import { STREAMS } from '../protocol/outputs.ts';
import type { Stream } from '../protocol/outputs.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import type { OpenedOutput, OutputRange } from '../protocol/service.ts';
import type { EventRecord, RunRecord } from './records.ts';
import type { BlobStore } from './store/port.ts';
import type { Mark } from './time-marks.ts';
import { makeTimes } from './times.ts';

export interface OutputKeeper {
  /** undefined: nothing to do, so the report can be decided on at once. */
  keep: (report: FinishedReport) => Promise<void> | undefined;
  sizesOf: (runId: string, attempt: number) => Promise<Record<string, number>>;
  append: (
    at: { runId: string; attempt: number; stream: Stream; offset: number },
    bytes: Uint8Array,
  ) => Promise<{ size: number }>;
  /** When the bytes from `from` on came. */
  times: (
    run: RunRecord,
    stream: Stream,
    options: { attempt?: number | undefined; from?: number | undefined },
  ) => Promise<readonly Mark[]>;
  /** Writes what it has in memory; call it before the blob store is closed. */
  close: () => Promise<void>;
  open: (
    run: RunRecord,
    stream: Stream,
    options: { attempt?: number | undefined; range?: OutputRange | undefined; follow: boolean },
    signal: AbortSignal,
  ) => Promise<OpenedOutput>;
}

export function outputKey(runId: string, attempt: number, stream: Stream): string {
  return `o/${runId}/${attempt}/${stream}`;
}

export function artifactKey(runId: string, attempt: number, name: string): string {
  const safe = Buffer.from(name).toString('hex');
  // File names are limited to 255 bytes; the hex of a longer name is cut into directories.
  return `a/${runId}/${attempt}/${safe.match(/.{1,200}/g)!.join('/')}.file`;
}

export interface OutputKeeperPorts {
  blobs: BlobStore;
  clock: Clock;
  log: Log;
  /** The latest durable record of a run, or undefined. */
  findRun: (runId: string) => Promise<RunRecord | undefined>;
  historyOf: (run: RunRecord) => Promise<EventRecord[]>;
  untilEvent: (runId: string, signal: AbortSignal) => Promise<void>;
}

export function makeOutputKeeper(ports: OutputKeeperPorts): OutputKeeper {
  const { blobs, clock, log, findRun, untilEvent } = ports;
  const { find, endOf } = makeLookup(ports);
  const times = makeTimes(ports);

  async function seal(report: FinishedReport): Promise<void> {
    const { runId, attempt, outputs, inline } = report;
    for (const stream of STREAMS) {
      const facts = outputs?.[stream];
      if (!facts || facts.bytes === 0) continue;
      const key = outputKey(runId, attempt, stream);
      try {
        if (inline) {
          const { sha256 } = await blobs.putSmall(key, inline[stream]);
          if (sha256 === facts.sha256) continue;
          throw new YardError('blob.digest', `${stream} of run ${runId} is not what was promised`);
        }
        await blobs.seal(key, { bytes: facts.bytes, sha256: facts.sha256 });
        void times.end(key);
      } catch (error) {
        log.warn({ run: runId, stream, err: messageOf(error) }, 'cannot seal an output');
        // Other bytes than were promised: the slave is to send them again from the start.
        const held = await blobs.stat(key);
        if (held && !held.sealed && held.bytes >= facts.bytes) await blobs.remove(key);
        throw error;
      }
    }
    for (const { name, bytes } of report.artifacts) {
      const held = await blobs.stat(artifactKey(runId, attempt, name));
      if (!held?.sealed || held.bytes !== bytes) {
        throw new YardError('artifact.missing', `${name} of run ${runId} did not arrive`);
      }
    }
  }

  async function openComplete(
    key: string,
    facts: { bytes: number; sha256: string },
    range: OutputRange | undefined,
  ): Promise<OpenedOutput> {
    const { from, to } = resolve(range, facts.bytes);
    const isEmpty = facts.sha256 === EMPTY_SHA256 || from >= to;
    const body = isEmpty ? Readable.from([]) : await blobs.get(key, { from, to });
    return { body, size: facts.bytes, complete: true, from, to };
  }

  return {
    keep(report) {
      const { outputs, artifacts } = report;
      const silent = !outputs || STREAMS.every((stream) => outputs[stream].bytes === 0);
      return silent && artifacts.length === 0 ? undefined : seal(report);
    },
    async sizesOf(runId, attempt) {
      const sizes: Record<string, number> = {};
      for (const stream of STREAMS) {
        sizes[stream] = (await blobs.stat(outputKey(runId, attempt, stream)))?.bytes ?? 0;
      }
      return sizes;
    },
    close: times.close,
    append: ({ runId, attempt, stream, offset }, bytes) =>
      times.append(outputKey(runId, attempt, stream), offset, bytes),
    async times(run, stream, { attempt = run.context.attempt, from = 0 }) {
      const { key, size } = await find(run, stream, attempt);
      if (size === 0) return [];
      const marks = await times.read(key, from);
      if (marks.length > 0) return marks;
      const at = await endOf(run, attempt);
      return at === undefined ? [] : [[0, at]];
    },
    async open(run, stream, { attempt = run.context.attempt, range, follow }, signal) {
      const { key, facts, size, isOver } = await find(run, stream, attempt);
      if (facts) return openComplete(key, facts, range);
      // Who follows may begin where nothing is yet.
      const isAtEnd = follow && !isOver && range?.from === size;
      const { from, to } = isAtEnd ? { from: size, to: size } : resolve(range, size);
      if (!follow || isOver) {
        const body = from >= to ? Readable.from([]) : await blobs.get(key, { from, to });
        return { body, size, complete: isOver, from, to };
      }
      const body = new PassThrough();
      void pump({ stream, runId: run.id, attempt, from }, body, signal);
      return { body, size, complete: false, from, to: Infinity };
    },
  };

  /** Copies a growing blob until its attempt is over and all of it is written. */
  async function pump(
    { stream, runId, attempt: asked, from }: Followed,
    into: PassThrough,
    signal: AbortSignal,
  ): Promise<void> {
    let isStopped = signal.aborted;
    let turn = new AbortController();
    const stop = () => {
      isStopped = true;
      turn.abort(OVER);
    };
    signal.addEventListener('abort', stop, { once: true });
    into.once('close', stop);
    let at = from;
    let attempt = asked;
    try {
      while (!isStopped) {
        const key = outputKey(runId, attempt, stream);
        turn = new AbortController();
        const { signal: ended } = turn;
        const changed = Promise.race([blobs.grown(key, ended), untilEvent(runId, ended)]);
        try {
          const run = await findRun(runId);
          // A run that waits is followed into its first attempt.
          if (attempt === 0 && run) attempt = run.context.attempt;
          if (key !== outputKey(runId, attempt, stream)) continue;
          const over = !run || isDone(run.state) || run.context.attempt !== attempt;
          if (buggify(clock, 'master.follow.late')) await sleep(clock, 1_000);
          const held = await blobs.stat(key);
          const size = held?.bytes ?? 0;
          if (size > at) {
            for await (const chunk of await blobs.get(key, { from: at, to: size })) {
              if (!into.write(chunk)) await drained(into, ended);
            }
            at = size;
            continue;
          }
          if (over || held?.sealed) break;
          await changed;
        } finally {
          turn.abort(OVER);
        }
      }
      into.end();
    } catch (error) {
      into.destroy(error as Error);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/** One for all: to make an error takes longer than to tell that nobody waits any more. */
const OVER = new YardError('output.stopped', 'the output is not followed any more');

/** What is known of an output. */
function makeLookup({ blobs, historyOf }: OutputKeeperPorts) {
  /** Rejects where there is no such output, or none any more. */
  async function find(run: RunRecord, stream: Stream, attempt: number) {
    const isLatest = attempt === run.context.attempt;
    if (attempt < 0 || attempt > run.context.attempt) {
      throw new YardError('output.unknown', `run ${run.id} has no attempt ${attempt}`);
    }
    const key = outputKey(run.id, attempt, stream);
    const facts = isLatest ? run.context.outputs?.[stream] : undefined;
    const held = facts?.bytes === 0 ? { bytes: 0 } : await blobs.stat(key);
    if (facts && !held) {
      throw new YardError('output.expired', `${stream} of run ${run.id} was removed`);
    }
    const isOver = isDone(run.state) || !isLatest;
    return { key, facts, size: held?.bytes ?? 0, isOver };
  }

  /** When its report came, and with it outputs that have no times of their own. */
  async function endOf(run: RunRecord, attempt: number): Promise<number | undefined> {
    const events = (await historyOf(run)).map(({ event }) => event);
    return events.find((one) => one.type === 'attempt.finished' && one['attempt'] === attempt)?.at;
  }

  return { find, endOf };
}

interface Followed {
  runId: string;
  stream: Stream;
  /** 0: the first, when it begins. */
  attempt: number;
  from: number;
}

function drained(stream: PassThrough, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = () => {
      stream.off('drain', wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    stream.once('drain', wake);
    signal.addEventListener('abort', wake, { once: true });
  });
}

/** Turns a requested range into one that is there; `output.range` if none of it is. */
function resolve(range: OutputRange | undefined, size: number): { from: number; to: number } {
  if (!range) return { from: 0, to: size };
  const from = range.from < 0 ? Math.max(0, size + range.from) : range.from;
  const to = Math.min(range.to ?? size, size);
  if (from >= size || from >= to) {
    throw new YardError('output.range', `bytes from ${range.from} of ${size}`);
  }
  return { from, to };
}
