/**
 * When it may be said that a slave is drained: once no grant from before can reach it any more
 * (dst.md part 4, step 14; S15).
 */
import type { Sessions } from './sessions.ts';
import type { Yard } from './yard.ts';

export interface Drains {
  /** Resolves when that slave will start nothing more, or is resumed meanwhile. */
  settled: (slave: string) => Promise<void>;
  /** Something happened that may settle it. */
  check: (slave: string) => void;
}

export function makeDrains(yard: Yard, sessions: Sessions): Drains {
  const waiting = new Map<string, (() => void)[]>();

  function isSettled(slave: string): boolean {
    const record = yard.ledger.slave(slave);
    if (!record?.context.drain) return true;
    const session = sessions.get(slave);
    // Until its lease is over, one that went away may still hear what was sent to it.
    return session ? session.knowsDrain : record.state === 'OFFLINE';
  }

  return {
    settled(slave) {
      if (isSettled(slave)) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.set(slave, [...(waiting.get(slave) ?? []), resolve]);
      });
    },
    check(slave) {
      if (!waiting.has(slave) || !isSettled(slave)) return;
      const resolves = waiting.get(slave)!;
      waiting.delete(slave);
      for (const resolve of resolves) resolve();
    },
  };
}
