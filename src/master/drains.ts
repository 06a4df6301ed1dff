/**
 * When it may be said that a slave is drained: once no grant from before can reach it any more
 * (dst.md part 4, step 14; S15).
 */
import type { ToMaster } from '../protocol/to-master.ts';
import { speaks } from '../protocol/version.ts';
import type { Session, Sessions } from './sessions.ts';
import { slotKey } from './yard.ts';
import type { Yard } from './yard.ts';

export interface Drains {
  /** Resolves when that slave will start nothing more, or is resumed meanwhile. */
  settled: (slave: string) => Promise<void>;
  /** Something happened that may settle it. */
  check: (slave: string) => void;
  /** What it says may be the first word of an attempt that was given to it. */
  hear: (session: Session, message: ToMaster) => void;
}

export function makeDrains(yard: Yard, sessions: Sessions): Drains {
  const waiting = new Map<string, (() => void)[]>();

  function isSettled(slave: string): boolean {
    const record = yard.ledger.slave(slave);
    if (!record?.context.drain) return true;
    const session = sessions.get(slave);
    // Until its lease is over, one that went away may still hear what was sent to it.
    if (!session) return record.state === 'OFFLINE';
    // One of 1.0 says nothing of drains, but of each grant that it got.
    return speaks(session.protocol, '1.1') ? session.knowsDrain : session.unheard.size === 0;
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
    hear({ name, unheard }, message) {
      if (!('runId' in message)) return;
      if (unheard.delete(slotKey(message.runId, message.attempt))) check(name);
    },
  };
}
