import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/**
 * Repeats what failed because the master was away or without room, until it is there again: that costs
 * an attempt nothing but time (design.md part 4, promise 4). Any other failure is thrown.
 */
export async function untilReached<T>(
  clock: Clock,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let pauseMs = BACKOFF_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS)) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isOfTheWay(error)) throw error;
    }
    await sleep(clock, pauseMs, signal);
  }
}

const AWAY = [
  'net.unreachable',
  'master.stopped',
  'store.closed',
  'store.unavailable',
  'store.full',
];

/** Nobody answered, or who is going down or waits for room, or the answer broke off: what `fetch` makes of it. */
function isOfTheWay(error: unknown): boolean {
  if (isYardError(error)) return AWAY.includes(error.code);
  return error instanceof TypeError && error.message === 'terminated';
}
