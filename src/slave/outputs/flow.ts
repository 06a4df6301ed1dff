import type { Clock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { STREAMS, type Stream } from '../../protocol/outputs.ts';
import { isOfTheSystem } from '../errno.ts';
import type { StreamManifest } from '../ports.ts';
import { Combined, type Progress, SOURCES, type SourceName } from './combined.ts';
import { type Sender, makeSender } from './sender.ts';
import type { SourceFile } from './source-file.ts';

/** What one step copies of one stream, so that no attempt holds up the others. */
const STEP_MAX = 1024 * 1024;
/** How long the start of a line waits for its end before `combined` takes it as it is. */
const LINE_WAIT_MS = 1000;

/** The way of an attempt's bytes from its two files into `combined` and to the sink. */
export interface Flow {
  handed: (stream: Stream) => number;
  /** Goes on in a source that the task has emptied. */
  onEmptied: (name: SourceName) => void;
  /** Takes a step; true if there was more than that. */
  step: () => boolean;
  /** Takes all that is left, when nothing more can be written, and ends the streams. */
  complete: () => Promise<Record<Stream, StreamManifest>>;
  /** Resolves when all was completed and the sink has it. */
  flushed: Promise<void>;
  stop: () => void;
}

export interface FlowOptions {
  clock: Clock;
  log: Log;
  append: (stream: Stream, offset: number, bytes: Uint8Array) => Promise<void>;
  sources: Record<SourceName, SourceFile>;
  /** When each source last grew. */
  grownAt: Record<SourceName, number>;
  combinedPath: string;
  limitBytes: number;
  sinkSizes: Partial<Record<Stream, number>>;
  resumed: Progress | undefined;
}

export function makeFlow(options: FlowOptions): Flow {
  const { clock, sources, limitBytes } = options;
  const combined = new Combined(options.combinedPath, limitBytes, sources, options.resumed);
  const copying = makeCopying(options, combined);
  const readable = { ...sources, combined };
  const stopping = new AbortController();
  const flushed = makeLatch();
  let isComplete = false;
  const open = (stream: Stream) => {
    const sizeNow = () => readable[stream].size;
    const read = (offset: number, length: number) => readable[stream].read(offset, length);
    return openSender(options, stream, sizeNow, read, stopping.signal, endIfFlushed);
  };
  const senders = { stdout: open('stdout'), stderr: open('stderr'), combined: open('combined') };

  /** Copies what is new into `combined`, as much as the disk takes, and lets it be sent. */
  function combine(isLast: boolean): Record<SourceName, number> {
    const took = copying.take(isLast);
    for (const stream of STREAMS) senders[stream].kick();
    return took;
  }

  async function complete(): Promise<Record<Stream, StreamManifest>> {
    for (let took = combine(true); took.stdout + took.stderr > 0; took = combine(true)) {
      await new Promise<void>((resolve) => clock.soon(resolve));
      stopping.signal.throwIfAborted();
    }
    combined.giveUp();
    const marked = [...SOURCES.map((name) => sources[name].mark()), combined.mark()];
    // Only what is there as it says may be taken up again.
    if (marked.every(Boolean)) copying.trySaving(() => combined.save());
    for (const stream of STREAMS) senders[stream].kick();
    const [stdout, stderr, both] = await Promise.all(STREAMS.map(manifestOf));
    isComplete = true;
    endIfFlushed();
    return { stdout: stdout!, stderr: stderr!, combined: both! };
  }

  async function manifestOf(stream: Stream): Promise<StreamManifest> {
    const { size: bytes, droppedBytes } = readable[stream];
    return { bytes, sha256: await senders[stream].digest(bytes), droppedBytes };
  }

  function endIfFlushed(): void {
    const isFlushed = STREAMS.every((name) => senders[name].acknowledged >= readable[name].size);
    if (!isComplete || !isFlushed) return;
    for (const stream of STREAMS) readable[stream].close();
    flushed.resolve();
  }

  return {
    handed: (stream) => senders[stream].handed,
    onEmptied: (name) => combined.skipTo(name, sources[name].state.base),
    step() {
      const took = combine(false);
      // A step ends with a line, so that it is seldom full to the byte.
      return Math.max(took.stdout, took.stderr) >= STEP_MAX / 2;
    },
    complete,
    flushed: flushed.promise,
    stop() {
      const stopped = new YardError('output.stopped', 'the output is not followed any more');
      stopping.abort(stopped);
      for (const stream of STREAMS) readable[stream].close();
      flushed.reject(stopped);
    },
  };
}

interface Copying {
  /** Copies what is new, as much as the disk takes; how many bytes it took of each source. */
  take: (isLast: boolean) => Record<SourceName, number>;
  /** What fails by the machine, as a disk that is full, is undone; a later step tries again. */
  trySaving: (work: () => void) => void;
}

function makeCopying(options: FlowOptions, combined: Combined): Copying {
  const { clock, log, sources, grownAt } = options;
  let savedDropped = 0;
  let isFull = false;

  function trySaving(work: () => void): void {
    try {
      work();
      isFull = false;
    } catch (error) {
      if (!isOfTheSystem(error)) throw error;
      combined.rollBack();
      if (!isFull) log.warn({ err: messageOf(error) }, 'combined cannot be written');
      isFull = true;
    }
  }

  /** What was written first comes first. */
  function copy(isLast: boolean): Record<SourceName, number> {
    const took = { stdout: 0, stderr: 0 };
    const inOrder = SOURCES.toSorted((a, b) => sources[a].writtenAt - sources[b].writtenAt);
    for (const name of inOrder) {
      const isWhole = isLast || clock.now() - grownAt[name] >= LINE_WAIT_MS;
      took[name] = combined.take(name, sources[name], isWhole, STEP_MAX);
    }
    const dropped = sources.stdout.droppedBytes + sources.stderr.droppedBytes;
    if (took.stdout + took.stderr > 0 || dropped !== savedDropped) combined.save();
    savedDropped = dropped;
    return took;
  }

  return {
    take(isLast) {
      let took = { stdout: 0, stderr: 0 };
      trySaving(() => (took = copy(isLast)));
      return took;
    },
    trySaving,
  };
}

function openSender(
  options: FlowOptions,
  stream: Stream,
  sizeNow: () => number,
  read: (offset: number, length: number) => Buffer,
  signal: AbortSignal,
  onAcknowledged: () => void,
): Sender {
  return makeSender({
    clock: options.clock,
    log: options.log.child({ stream }),
    append: (offset, bytes) => options.append(stream, offset, bytes),
    from: options.sinkSizes[stream] ?? 0,
    sizeNow,
    read,
    signal,
    onAcknowledged,
  });
}

interface Latch {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
}

function makeLatch(): Latch {
  let [resolve, reject]: [() => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((onResolve, onReject) => {
    [resolve, reject] = [onResolve, onReject];
  });
  // Who never asks whether all was flushed need not hear that it was stopped.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
