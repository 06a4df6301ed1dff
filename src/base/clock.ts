import type { BuggifySite } from './buggify.ts';

/** Time, as a port: production reads the machine's clocks, a simulation its own. */
export interface Clock {
  /** Milliseconds that only ever grow; durations and leases are measured with it. */
  now: () => number;
  /** Milliseconds since 1970; may jump. Only for what people read and what must outlive a restart. */
  wall: () => number;
  /** Calls back once after `ms` milliseconds. */
  setTimeout: (callback: () => void, ms: number) => Timer;
  /** Calls back once all that is ready now has run: the end of this turn. */
  soon: (callback: () => void) => void;
  /** Simulated clocks only: whether something rare is to happen there now. See buggify.ts. */
  buggify?: (site: BuggifySite) => boolean;
}

export interface Timer {
  cancel: () => void;
}

/** Node refuses longer delays (it would fire at once). */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout(callback, ms) {
    const handle = setTimeout(callback, Math.min(Math.max(0, ms), TIMEOUT_MAX_MS));
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (callback) => void setImmediate(callback),
};

/** Resolves after `ms` milliseconds of that clock; rejects with the reason when aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

export interface ManualClock extends Clock {
  /** Moves time on, firing what falls due in order; what it wakes may arm more. */
  advance: (ms: number) => void;
  /** Moves only the wall clock, as an operator or NTP would. */
  jump: (ms: number) => void;
}

/** A clock that stands still until a test moves it. */
export function manualClock(startsAt = Date.UTC(2026, 0, 1)): ManualClock {
  let now = 0;
  let offset = startsAt;
  let order = 0;
  const waiting = new Map<number, { dueAt: number; callback: () => void }>();

  function nextDue(limit: number) {
    let found: [number, { dueAt: number; callback: () => void }] | undefined;
    for (const entry of waiting) {
      if (entry[1].dueAt <= limit && (!found || entry[1].dueAt < found[1].dueAt)) found = entry;
    }
    return found;
  }

  return {
    now: () => now,
    wall: () => offset + now,
    setTimeout(callback, ms) {
      const id = order++;
      waiting.set(id, { dueAt: now + Math.max(0, ms), callback });
      return { cancel: () => void waiting.delete(id) };
    },
    soon: (callback) => queueMicrotask(callback),
    advance(ms) {
      const until = now + ms;
      for (let due = nextDue(until); due; due = nextDue(until)) {
        waiting.delete(due[0]);
        now = Math.max(now, due[1].dueAt);
        due[1].callback();
      }
      now = until;
    },
    jump: (ms) => void (offset += ms),
  };
}
