/** Two plays of one scenario are one and the same, event for event; where they are not, the first. */
import type { OnEvent } from './kernel.ts';
import { KIND } from './kernel.ts';

/** What one play did, an entry for each event. */
export interface EventLog {
  readonly onEvent: OnEvent;
  readonly length: number;
  hashAt: (index: number) => number;
  /** In words, for people. */
  describe: (index: number) => string;
}

const NAMES = Object.fromEntries(Object.entries(KIND).map(([name, kind]) => [kind, name]));

export function makeEventLog(): EventLog {
  const hashes: number[] = [];
  const facts: { kind: number; who: string; now: number }[] = [];
  return {
    onEvent(kind, life, now, hash) {
      hashes.push(hash);
      facts.push({ kind, who: life?.name ?? 'the world', now });
    },
    get length() {
      return hashes.length;
    },
    hashAt: (index) => hashes[index]!,
    describe(index) {
      const fact = facts[index];
      if (!fact) return 'no event';
      return `${NAMES[fact.kind]} of ${fact.who} at ${(fact.now / 1e6).toFixed(6)} s`;
    },
  };
}

/**
 * The first event at which two plays differ; undefined: they are equal. A hash holds all that came
 * before it, so that those before the first difference are equal and those after it are not.
 */
export function firstDifference(a: EventLog, b: EventLog): string | undefined {
  let [low, high] = [0, Math.min(a.length, b.length)];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (a.hashAt(middle) === b.hashAt(middle)) low = middle + 1;
    else high = middle;
  }
  if (low === a.length && low === b.length) return undefined;
  return `event ${low + 1}: ${a.describe(low)}, and then ${b.describe(low)}`;
}
