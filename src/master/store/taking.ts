import type { Clock } from '../../base/clock.ts';
import type { Entry, Key, Rev } from './port.ts';

/** A taker that has not written by then is taken to have given up. */
const TAKE_MS = 1000;

/** Hands entries to one taker at a time: each stays his for a second, or until it is written. */
export function makeTaking(clock: Clock) {
  // Oldest first, since each is set anew when it is taken again.
  const taken = new Map<Key, { rev: Rev; endsAt: number }>();

  function forget(now: number): void {
    for (const [key, { endsAt }] of taken) {
      if (endsAt > now) return;
      taken.delete(key);
    }
  }

  return async (entries: AsyncIterable<Entry>, n: number): Promise<Entry[]> => {
    const mine: Entry[] = [];
    if (n <= 0) return mine;
    for await (const entry of entries) {
      const now = clock.now();
      forget(now);
      if (taken.get(entry.key)?.rev === entry.rev) continue;
      taken.delete(entry.key);
      taken.set(entry.key, { rev: entry.rev, endsAt: now + TAKE_MS });
      mine.push(entry);
      if (mine.length === n) break;
    }
    return mine;
  };
}
