/**
 * When it may be said that a slave is drained: once no grant from before can reach it any more
 * (dst.md part 4, step 14; S15).
 */
import { speaks } from '../protocol/version.ts';
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
    if (!session) return record.state === 'OFFLINE';
    return speaks(session.protocol, '1.1') ? session.knowsDrain : !isAwaited(slave);
  }

  /** One of 1.0 says nothing of drains, but of each grant that it got. */
  function isAwaited(slave: string): boolean {
    return yard.ledger
      .liveRuns()
      .some(({ state, context }) => state === 'PENDING.assigned' && context.slave === slave);
  }

  function check(slave: string): void {
    if (!waiting.has(slave) || !isSettled(slave)) return;
    const resolves = waiting.get(slave)!;
    waiting.delete(slave);
    for (const resolve of resolves) resolve();
  }

  yard.onEvents(() => {
    for (const slave of waiting.keys()) check(slave);
  });

  return {
    settled(slave) {
      if (isSettled(slave)) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.set(slave, [...(waiting.get(slave) ?? []), resolve]);
      });
    },
    check,
  };
}
