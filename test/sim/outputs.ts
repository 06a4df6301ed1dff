/** Follows what simulated tasks write, and sends it on with the slave's own sender. */
import type { Clock } from '../../src/base/clock.ts';
import { YardError } from '../../src/base/errors.ts';
import { EMPTY_SHA256, sha256Of } from '../../src/base/sha256.ts';
import type { Log } from '../../src/base/log.ts';
import { STREAMS } from '../../src/protocol/outputs.ts';
import type { Stream } from '../../src/protocol/outputs.ts';
import { makeSender } from '../../src/slave/outputs/sender.ts';
import type { Sender } from '../../src/slave/outputs/sender.ts';
import type {
  AttemptKey,
  FinishedOutputs,
  OutputSink,
  OutputTail,
  Outputs,
  StreamManifest,
} from '../../src/slave/ports.ts';
import type { SimProcess } from './exec.ts';
import { finalOf, isQuiet, writtenBy } from './tasks.ts';

export interface SimOutputsOptions {
  clock: Clock;
  log: Log;
  sink: OutputSink;
  find: (key: AttemptKey) => SimProcess | undefined;
  /** Milliseconds of the world since that process started. */
  ageMs: (process: SimProcess) => number;
}

/** Quiet files are looked at so often. */
const POLL_MS = 100;
const EMPTY: StreamManifest = { bytes: 0, sha256: EMPTY_SHA256, droppedBytes: 0 };

export function makeSimOutputs(options: SimOutputsOptions): Outputs {
  return {
    follow(key, _files, limitBytes) {
      const process = options.find(key);
      if (!process || isQuiet(process.behaviour.output)) return silentTail(options.clock);
      return makeTail(options, process, key, limitBytes);
    },
  };
}

function silentTail(clock: Clock): OutputTail {
  const lastOutputAt = clock.now();
  const manifests = { stdout: EMPTY, stderr: EMPTY, combined: EMPTY };
  const inline = { stdout: NOTHING, stderr: NOTHING, combined: NOTHING };
  return {
    lastOutputAt,
    finish: async () => ({ manifests, inline }),
    flushed: async () => {},
    stop: () => {},
  };
}

function makeTail(
  options: SimOutputsOptions,
  process: SimProcess,
  key: AttemptKey,
  limit: number,
): OutputTail {
  const { clock, log, sink } = options;
  const { output } = process.behaviour;
  const stopping = new AbortController();
  const senders = new Map<Stream, Sender>();
  const seen: Record<Stream, Uint8Array> = { stdout: NOTHING, stderr: NOTHING, combined: NOTHING };
  let resolveFlushed: () => void = () => {};
  let rejectFlushed: (error: Error) => void = () => {};
  const flushed = new Promise<void>((resolve, reject) => {
    [resolveFlushed, rejectFlushed] = [resolve, reject];
  });
  // Who never asks whether all was flushed need not hear that it was stopped.
  flushed.catch(() => {});
  let lastOutputAt = clock.now();
  let isFinished = false;
  let next = 0;
  let timer = armNext();

  /** The next look that can see anything new, on the grid of looks. */
  function armNext() {
    const chunk = output.chunks[next];
    if (!chunk) return undefined;
    const restMs = Math.max(0, chunk.atMs - options.ageMs(process));
    return clock.setTimeout(look, (Math.floor(restMs / POLL_MS) + 1) * POLL_MS);
  }

  function look(): void {
    const age = Math.min(options.ageMs(process), (process.endedAt - process.startedAt) / 1000);
    let grown = false;
    while (next < output.chunks.length && output.chunks[next]!.atMs <= age) {
      next++;
      grown = true;
    }
    if (grown) {
      lastOutputAt = clock.now();
      for (const stream of STREAMS) {
        seen[stream] = writtenBy(output, stream, age, limit).bytes;
        if (seen[stream].length > 0) senderOf(stream).kick();
      }
    }
    timer = process.end ? undefined : armNext();
  }

  function senderOf(stream: Stream): Sender {
    let sender = senders.get(stream);
    if (!sender) {
      sender = makeSender({
        clock,
        log,
        sizeNow: () => seen[stream].length,
        read: (offset, length) => Buffer.from(seen[stream].subarray(offset, offset + length)),
        append: (offset, bytes) => sink.append(key, stream, offset, bytes),
        from: 0,
        signal: stopping.signal,
        onAcknowledged: endIfFlushed,
      });
      senders.set(stream, sender);
    }
    return sender;
  }

  function endIfFlushed(): void {
    const all = STREAMS.every(
      (stream) => (senders.get(stream)?.acknowledged ?? 0) >= seen[stream].length,
    );
    if (isFinished && all) resolveFlushed();
  }

  return {
    get lastOutputAt() {
      return lastOutputAt;
    },
    async finish({ inlineMax = 0 } = {}): Promise<FinishedOutputs> {
      timer?.cancel();
      const age = (process.endedAt - process.startedAt) / 1000;
      const dropped: Record<Stream, number> = { stdout: 0, stderr: 0, combined: 0 };
      for (const stream of STREAMS) {
        const final = finalOf(output, stream, age, limit);
        seen[stream] = final.bytes;
        dropped[stream] = final.droppedBytes;
      }
      const total = STREAMS.reduce((sum, stream) => sum + seen[stream].length, 0);
      const isUnsent = senders.size === 0 && dropped.combined === 0;
      if (isUnsent && total <= inlineMax) {
        resolveFlushed();
        const manifest = (stream: Stream) => manifestOf(seen[stream], sha256Of(seen[stream]), 0);
        return {
          inline: { ...seen },
          manifests: {
            stdout: manifest('stdout'),
            stderr: manifest('stderr'),
            combined: manifest('combined'),
          },
        };
      }
      const manifests = { stdout: EMPTY, stderr: EMPTY, combined: EMPTY };
      for (const stream of STREAMS) {
        if (seen[stream].length > 0) senderOf(stream).kick();
      }
      for (const stream of STREAMS) {
        const bytes = seen[stream];
        const sha256 = await senderOf(stream).digest(bytes.length);
        manifests[stream] = manifestOf(bytes, sha256, dropped[stream]);
      }
      isFinished = true;
      endIfFlushed();
      return { manifests };
    },
    flushed: () => flushed,
    stop() {
      timer?.cancel();
      const stopped = new YardError('output.stopped', 'the output is not followed any more');
      stopping.abort(stopped);
      rejectFlushed(stopped);
    },
  };
}

function manifestOf(bytes: Uint8Array, sha256: string, droppedBytes: number): StreamManifest {
  return { bytes: bytes.length, sha256, droppedBytes };
}

const NOTHING = new Uint8Array(0);
