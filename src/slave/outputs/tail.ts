import { readFileSync, writeFileSync } from 'node:fs';
import { EMPTY_SHA256, sha256Of } from '../../base/sha256.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { STREAMS, type Stream } from '../../protocol/outputs.ts';
import { isOfTheSystem } from '../errno.ts';
import type { AttemptKey, FinishedOutputs, OutputTail, StreamManifest } from '../ports.ts';
import { SOURCES, type SourceName, findProgress } from './combined.ts';
import { type Flow, makeFlow } from './flow.ts';
import { SourceFile } from './source-file.ts';

export interface Tail extends OutputTail {
  readonly key: AttemptKey;
  /** Sees growth and sends it on; true if there is so much that it should be called again soon. */
  poll: () => boolean;
}

export interface TailOptions {
  clock: Clock;
  log: Log;
  key: AttemptKey;
  append: (stream: Stream, offset: number, bytes: Uint8Array) => Promise<void>;
  files: Record<Stream, string>;
  limitBytes: number;
  sinkSizes: Partial<Record<Stream, number>> | undefined;
  /** It needs to be polled no more. */
  onEnd: () => void;
}

/** Growth between two polls from which on an attempt is polled fast. */
const FAST_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array();

export function makeTail(options: TailOptions): Tail {
  const { clock, append, files, limitBytes, sinkSizes, onEnd } = options;
  const resumed = sinkSizes && findProgress(files.combined);
  const sources: Record<SourceName, SourceFile> = {
    stdout: new SourceFile(files.stdout, limitBytes, resumed?.sources.stdout),
    stderr: new SourceFile(files.stderr, limitBytes, resumed?.sources.stderr),
  };
  const startedAt = clock.now();
  const grownAt = { stdout: startedAt, stderr: startedAt };
  let flow = sinkSizes && Object.keys(sinkSizes).length > 0 ? openFlow() : undefined;

  /** Most attempts end with little output before the first poll, and never need one. */
  function openFlow(): Flow {
    const log = options.log.child({ key: options.key });
    const rest = { combinedPath: files.combined, limitBytes, sinkSizes: sinkSizes ?? {}, resumed };
    return makeFlow({ clock, log, append, sources, grownAt, ...rest });
  }

  function look(): number {
    let grown = 0;
    for (const name of SOURCES) {
      const { grownBytes, isEmptied } = sources[name].look(flow?.handed(name) ?? 0);
      if (isEmptied) flow?.onEmptied(name);
      if (grownBytes > 0 || isEmptied) tail.lastOutputAt = grownAt[name] = clock.now();
      grown += grownBytes;
    }
    return grown;
  }

  function fitsInline(inlineMax: number): boolean {
    const { stdout, stderr } = sources;
    const isUnsent = !flow || STREAMS.every((stream) => flow!.handed(stream) === 0);
    const isCut = stdout.state.droppedBytes + stderr.state.droppedBytes > 0;
    return isUnsent && !isCut && 2 * (stdout.size + stderr.size) <= inlineMax;
  }

  const tail = {
    key: options.key,
    lastOutputAt: startedAt,
    poll() {
      const grown = look();
      if (grown > 0) flow ??= openFlow();
      const isBehind = flow?.step() ?? false;
      return isBehind || grown >= FAST_BYTES;
    },
    async finish({ inlineMax = 0 }: { inlineMax?: number } = {}): Promise<FinishedOutputs> {
      onEnd();
      look();
      if (!fitsInline(inlineMax)) {
        flow ??= openFlow();
        return { manifests: await flow.complete() };
      }
      flow?.stop();
      flow = undefined;
      return finishInline(files, sources, options.log);
    },
    flushed: () => flow?.flushed ?? Promise.resolve(),
    stop() {
      onEnd();
      flow?.stop();
    },
  };
  return tail;
}

function finishInline(
  files: Record<Stream, string>,
  sources: Record<SourceName, SourceFile>,
  log: Log,
): FinishedOutputs {
  const stdout = sources.stdout.size > 0 ? readFileSync(files.stdout) : NO_BYTES;
  const stderr = sources.stderr.size > 0 ? readFileSync(files.stderr) : NO_BYTES;
  const isOutFirst = sources.stdout.writtenAt <= sources.stderr.writtenAt;
  const combined = Buffer.concat(isOutFirst ? [stdout, stderr] : [stderr, stdout]);
  try {
    if (combined.length > 0) writeFileSync(files.combined, combined);
  } catch (error) {
    // The report carries these bytes; a disk that is full need not.
    if (!isOfTheSystem(error)) throw error;
    log.warn({ path: files.combined, err: messageOf(error) }, 'combined cannot be written');
  }
  return {
    inline: { stdout, stderr, combined },
    manifests: {
      stdout: manifestOf(stdout),
      stderr: manifestOf(stderr),
      combined: manifestOf(combined),
    },
  };
}

function manifestOf(bytes: Uint8Array): StreamManifest {
  const isEmpty = bytes.length === 0;
  const sha256 = isEmpty ? EMPTY_SHA256 : sha256Of(bytes);
  return { bytes: bytes.length, sha256, droppedBytes: 0 };
}
