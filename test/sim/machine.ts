import type { BuggifySite } from '../../src/base/buggify.ts';
import type { Clock } from '../../src/base/clock.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';

/** One computer: its clocks are its own, and wrong in their own way. */
export interface Machine {
  readonly name: string;
  /** How fast its clocks run: 1.0005 gains 500 ppm. */
  readonly rate: number;
  clockOf: (life: Life) => Clock;
  /** Sets the wall clock, as an operator or NTP would; the monotonic one goes on. */
  jump: (ms: number) => void;
  readonly wallMs: number;
}

const WORLD_BEGINS_AT = Date.UTC(2026, 0, 1);

export function makeMachine(
  kernel: Kernel,
  { name, rate, wallOffsetMs }: { name: string; rate: number; wallOffsetMs: number },
  buggify?: (site: BuggifySite) => boolean,
): Machine {
  let offset = WORLD_BEGINS_AT + wallOffsetMs;
  const elapsedMs = () => (kernel.now / 1000) * rate;
  const wall = () => Math.floor(offset + elapsedMs());
  return {
    name,
    rate,
    get wallMs() {
      return wall();
    },
    jump: (ms) => void (offset += ms),
    clockOf: (life) => ({
      now: elapsedMs,
      wall,
      setTimeout(callback, ms) {
        const us = (Math.max(0, ms) * 1000) / rate;
        const entry = kernel.after(us, KIND.timer, callback, life);
        return { cancel: () => void (entry.run = undefined) };
      },
      soon: (callback) => void kernel.after(0, KIND.soon, callback, life),
      ...(buggify ? { buggify } : {}),
    }),
  };
}
