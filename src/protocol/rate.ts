import type { Clock } from '../base/clock.ts';

/** Says whether `amount` more may pass now; what may not pass is not taken. */
export type Rate = (amount: number) => boolean;

/** A bucket that fills with `perSecond` up to `burst`, and starts full. */
export function makeRate(clock: Clock, perSecond: number, burst: number): Rate {
  let level = burst;
  let filledAt = clock.now();
  return (amount) => {
    const now = clock.now();
    level = Math.min(burst, level + ((now - filledAt) * perSecond) / 1000);
    filledAt = now;
    if (amount > level) return false;
    level -= amount;
    return true;
  };
}
