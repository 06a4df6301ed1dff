import { sleep } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';
import type { Stream } from '../protocol/outputs.ts';
import { unreachable } from '../protocol/unreachable.ts';
import { queryOf } from './ask.ts';
import type { Ask } from './ask.ts';

export interface FollowOptions {
  /** Goes on until the attempt is over. */
  follow?: boolean | undefined;
  /** Absent: the latest; name it where a cut must not lead into the next one. */
  attempt?: number | undefined;
  /** Where to begin, in bytes. */
  from?: number | undefined;
  signal?: AbortSignal | undefined;
}

const RETRY_MS = 100;
const RETRY_MAX_MS = 1_000;
/** How long a master may be away in the middle of an output. */
const PATIENCE_MS = 5_000;

/** The bytes of an output; where the connection is cut they go on from there. */
export async function* followOutput(
  ask: Ask,
  run: string,
  stream: Stream,
  { follow = false, attempt, from = 0, signal }: FollowOptions,
): AsyncGenerator<Uint8Array> {
  const path = `${run}/outputs/${stream}`;
  const query = queryOf({ follow: follow ? '1' : undefined, attempt });
  const given = signal ? { signal } : {};
  let at = from;
  let connected = false;
  let waitMs = RETRY_MS;
  let lostAt: number | undefined;
  for (;;) {
    // From one byte before: what ends at `at` for now is no range that is not there.
    let overlap = at > 0 ? 1 : 0;
    try {
      const headers: Record<string, string> =
        overlap === 1 ? { range: `bytes=${at - overlap}-` } : {};
      const { body } = await ask.response('GET', `${path}${query}`, { headers, ...given });
      connected = true;
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
        const bytes = chunk.subarray(overlap);
        overlap -= chunk.length - bytes.length;
        at += bytes.length;
        waitMs = RETRY_MS;
        lostAt = undefined;
        if (bytes.length > 0) yield bytes;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (isYardError(error) && error.code === 'output.range') {
        // Past the end: of what is complete, or of what is still to be written.
        if (!follow || (await isComplete())) return;
      } else if (isYardError(error) && !/^(?:net|master)\./.test(error.code)) {
        throw error;
      } else {
        lostAt ??= ask.clock.now();
        const fault = isYardError(error) ? error : unreachable(ask.server, error);
        if (!connected || ask.clock.now() - lostAt >= PATIENCE_MS) throw fault;
      }
    }
    await sleep(ask.clock, waitMs, signal);
    waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
  }

  async function isComplete(): Promise<boolean> {
    const answer = await ask.response('HEAD', `${path}${queryOf({ attempt })}`, given);
    return answer.headers.get('x-runyard-complete') !== 'false';
  }
}
