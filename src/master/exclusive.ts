import type { RunRecord } from './records.ts';

/** Of the clocks of master and slave against each other, at most (dst.md part 4, parameters). */
const DRIFT = 0.01;
const MARGIN_MS = 1_000;

/**
 * How long after the loss of an exclusive run's slave its process may still live: that slave kills
 * it before its own lease is over, and that began no later than now. undefined: nobody need wait.
 */
export function exclusiveWaitMs(
  { facts, context }: RunRecord,
  leaseMs: number,
): number | undefined {
  if (!facts.exclusive) return undefined;
  return Math.ceil(leaseMs * (1 + DRIFT)) + context.limits.graceMs + MARGIN_MS;
}
