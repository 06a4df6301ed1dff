import { createHash } from 'node:crypto';
import { buggify } from '../../base/buggify.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { isYardError, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

/** Sends one growing stream in order, one request in flight, and digests it on the way. */
export interface Sender {
  /** Bytes given to the sink, whether or not it has answered. */
  readonly handed: number;
  /** Bytes that the sink has for certain. */
  readonly acknowledged: number;
  /** There may be more to send. */
  kick: () => void;
  /**
   * The digest of the first `size` bytes, sent or not; these must not change any more. Rejects
   * with the signal's reason once that is aborted.
   */
  digest: (size: number) => Promise<string>;
}

export interface SenderOptions {
  clock: Clock;
  log: Log;
  /** How many bytes there are to send now. */
  sizeNow: () => number;
  read: (offset: number, length: number) => Buffer;
  append: (offset: number, bytes: Uint8Array) => Promise<void>;
  /** Bytes that the sink had before. */
  from: number;
  signal: AbortSignal;
  onAcknowledged: () => void;
}

const CHUNK_MAX = 256 * 1024;
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 5000;

export function makeSender(options: SenderOptions): Sender {
  const { sizeNow, read, from, signal, onAcknowledged } = options;
  const hash = createHash('sha256');
  /** How much is in the digest; all that was handed on, once the first part is read again. */
  let hashed = 0;
  let isBusy = false;

  async function pump(): Promise<void> {
    for await (const bytes of chunks(options, hashed, sender.handed)) {
      hash.update(bytes);
      hashed += bytes.length;
    }
    while (sender.handed < sizeNow() && !signal.aborted) {
      const most = buggify(options.clock, 'slave.chunk.tiny') ? 100 : CHUNK_MAX;
      const bytes = read(sender.handed, Math.min(most, sizeNow() - sender.handed));
      if (bytes.length === 0) break;
      const offset = sender.handed;
      sender.handed += bytes.length;
      // Together, so that the digest is of what was handed on whenever one looks.
      if (sender.handed > hashed) {
        hash.update(bytes.subarray(hashed - offset));
        hashed = sender.handed;
      }
      const became = await deliver(options, offset, bytes);
      if (became === 'stopped') return;
      if (became === 'gap') sender.handed = sender.acknowledged = 0;
      else {
        sender.acknowledged = sender.handed;
        onAcknowledged();
      }
    }
  }

  const sender = {
    handed: from,
    acknowledged: from,
    kick() {
      if (isBusy || signal.aborted || sender.handed >= sizeNow()) return;
      isBusy = true;
      void pump().finally(() => {
        isBusy = false;
      });
    },
    async digest(size: number) {
      const whole = hash.copy();
      for await (const bytes of chunks(options, hashed, size)) whole.update(bytes);
      signal.throwIfAborted();
      return whole.digest('hex');
    },
  };
  return sender;
}

/**
 * Tries until the sink has it. `gap`: it has lost bytes that it had before, as in a power cut; all
 * is to be sent again.
 */
async function deliver(
  options: SenderOptions,
  offset: number,
  bytes: Buffer,
): Promise<'taken' | 'gap' | 'stopped'> {
  const { clock, log, append, signal } = options;
  for (let pauseMs = BACKOFF_MS; ; pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS)) {
    try {
      await append(offset, bytes);
      return 'taken';
    } catch (error) {
      if (signal.aborted) return 'stopped';
      log.warn({ offset, error: messageOf(error) }, 'the sink took no output; trying again');
      if (offset > 0 && isYardError(error) && error.code === 'output.offset') return 'gap';
    }
    const isStopped = await sleep(clock, pauseMs, signal).then(
      () => false,
      () => true,
    );
    if (isStopped) return 'stopped';
  }
}

/** What is on disk between two offsets; leaves the event loop free in between. */
async function* chunks(options: SenderOptions, start: number, end: number) {
  const { clock, log, read, signal } = options;
  for (let at = start; at < end && !signal.aborted;) {
    const bytes = read(at, Math.min(CHUNK_MAX, end - at));
    if (bytes.length === 0) {
      log.error({ at, end }, 'output that the sink has is not on disk; its digest is without it');
      return;
    }
    yield bytes;
    at += bytes.length;
    await new Promise<void>((resolve) => clock.soon(resolve));
  }
}
