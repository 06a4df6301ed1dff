/** Ends exclusive attempts before this slave's lease is over (dst.md part 4, `exclusive`; S24). */
import type { Clock, Timer } from '../base/clock.ts';
import type { Attempt } from './attempt.ts';
import type { Executor } from './ports.ts';

export interface ExclusiveWatch {
  /** Whether an exclusive attempt may still begin. */
  readonly isLeased: boolean;
  /** An attempt was taken, or its process was started. */
  watch: (key: string) => void;
  /** What runs is this slave's until then, on its own clock. */
  renew: (untilAt: number, leaseMs: number) => void;
}

export function makeExclusiveWatch(
  { clock, executor }: { clock: Clock; executor: Executor },
  attempts: ReadonlyMap<string, Attempt>,
): ExclusiveWatch {
  let lease: { killAt: number; stopAt: number } | undefined;
  let timer: Timer | undefined;

  function watch(key: string): void {
    if (!lease) return;
    // Also if this process is gone by then.
    executor.guard(key, Math.max(0, lease.killAt - clock.now()));
    timer ??= clock.setTimeout(check, Math.max(0, lease.stopAt - clock.now()));
  }

  function check(): void {
    timer = undefined;
    const restMs = lease!.stopAt - clock.now();
    for (const { assignment, report, stop } of attempts.values()) {
      if (!assignment.exclusive || report) continue;
      if (restMs > 0) timer ??= clock.setTimeout(check, restMs);
      else stop({ kind: 'lost', why: 'its lease was ending, and it is exclusive' });
    }
  }

  return {
    get isLeased() {
      return lease !== undefined && clock.now() < lease.stopAt;
    },
    watch,
    renew(untilAt, leaseMs) {
      // A third to end by itself, as long as a beat may take, then a moment for SIGKILL to do it.
      const killAt = untilAt - leaseMs / 15;
      lease = { killAt, stopAt: killAt - leaseMs / 3 };
      for (const [key, { assignment, report }] of attempts) {
        if (assignment.exclusive && !report) watch(key);
      }
    },
  };
}
