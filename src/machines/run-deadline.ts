/** The deadlines of runs are data: what is due follows from where a run stands. */
import type { RunContext } from './run-context.ts';

/** What a slave may still need, after all its own limits, to say that an attempt is over. */
export const OVERHEAD_MS = 15_000;

export interface Deadline {
  /** On the master's wall clock. */
  at: number;
  /** How long after it was set that is: no jump of the clock makes the wait longer. */
  withinMs: number;
  event: 'queue.expired' | 'backoff.over' | 'run.overdue' | 'stop.overdue';
  /** After a restart of the master all of it is waited again: the wall clock may have jumped. */
  isWhole?: boolean;
}

/** When the clock has something to say to a run that stands so, and what. */
export function runDeadline(state: string, context: RunContext): Deadline | undefined {
  const { limits, queuedAt, startedAt, backoffUntilAt, stopUntilAt } = context;
  if (state === 'PENDING.queued' && limits.queueTimeoutMs > 0 && queuedAt !== undefined) {
    const withinMs = limits.queueTimeoutMs;
    return { at: queuedAt + withinMs, withinMs, event: 'queue.expired' };
  }
  if (state === 'PENDING.backoff' && backoffUntilAt !== undefined) {
    const { waitMs } = context;
    return waitMs === undefined
      ? { at: backoffUntilAt, withinMs: limits.backoffMaxMs, event: 'backoff.over' }
      : { at: backoffUntilAt, withinMs: waitMs, event: 'backoff.over', isWhole: true };
  }
  if (state === 'RUNNING.stopping' && stopUntilAt !== undefined) {
    return {
      at: stopUntilAt,
      withinMs: limits.graceMs + OVERHEAD_MS,
      event: 'stop.overdue',
      isWhole: true,
    };
  }
  if (state.startsWith('RUNNING.') && limits.timeoutMs > 0 && startedAt !== undefined) {
    const withinMs = limits.timeoutMs + limits.graceMs + OVERHEAD_MS;
    return { at: startedAt + withinMs, withinMs, event: 'run.overdue', isWhole: true };
  }
  return undefined;
}
