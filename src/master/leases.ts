import type { Clock } from '../base/clock.ts';

/** Until when each slave's attempts are its own: one timer a slave, moved on by each heartbeat. */
export interface Leases {
  /** From now, on the monotonic clock: a wall clock's jump would end every lease (dst.md part 4). */
  renew: (slave: string, ms?: number) => void;
  end: (slave: string) => void;
  endAll: () => void;
}

export function makeLeases(clock: Clock, leaseMs: number, onOver: (slave: string) => void): Leases {
  const leases = new Map<string, { until: number; cancel: () => void }>();

  function end(slave: string): void {
    leases.get(slave)?.cancel();
    leases.delete(slave);
  }

  return {
    renew(slave, ms = leaseMs) {
      const until = clock.now() + ms;
      const known = leases.get(slave);
      if (known && known.until <= until) {
        known.until = until;
        return;
      }
      // A shorter one than before, as after the wait for a slave's return, needs its own timer.
      end(slave);
      const lease = { until, cancel: () => {} };
      leases.set(slave, lease);
      const wait = () => {
        const timer = clock.setTimeout(() => {
          // After a standstill timers come first: heartbeats that wait in sockets are heard before.
          if (clock.now() < lease.until) wait();
          else clock.soon(conclude);
        }, lease.until - clock.now());
        lease.cancel = () => timer.cancel();
      };
      const conclude = () => {
        if (leases.get(slave) !== lease) return;
        if (clock.now() < lease.until) return wait();
        leases.delete(slave);
        onOver(slave);
      };
      wait();
    },
    end,
    endAll() {
      for (const slave of leases.keys()) end(slave);
    },
  };
}
