import type { Ending } from '../protocol/run.ts';

export interface RetryPolicy {
  retries: number;
  /** Absent: every code but 0. */
  exitCodes?: readonly number[] | undefined;
  /** Signals, `timeout.run`, `timeout.output` or codes of a failed mechanism; absent: all but timeouts. */
  reasons?: readonly string[] | undefined;
  backoffMs: number;
  backoffMaxMs: number;
}

/** Whether an ending is worth another try: tries are retries + 1, an abort is final (spec row S23). */
export function retryIsDue(
  run: { failures: number },
  policy: RetryPolicy,
  ending: Ending,
): boolean {
  return run.failures < policy.retries && endingIsRetried(policy, ending);
}

function endingIsRetried({ exitCodes, reasons }: RetryPolicy, ending: Ending): boolean {
  const onlyCodes = exitCodes !== undefined && reasons === undefined;
  switch (ending.kind) {
    case 'exited':
      if (exitCodes !== undefined) return exitCodes.includes(ending.code);
      return reasons === undefined && ending.code !== 0;
    case 'signalled':
      return reasons?.includes(ending.signal) ?? !onlyCodes;
    case 'failed':
      return reasons?.includes(ending.code) ?? !onlyCodes;
    case 'timedOut':
      return reasons?.includes(`timeout.${ending.which}`) ?? false;
    case 'aborted':
    case 'lost':
      return false;
  }
}

/** Exponential in the failures so far, at most `backoffMaxMs`, and between half and all of that. */
export function retryDelayMs(policy: RetryPolicy, failures: number, jitter: number): number {
  const full = Math.min(policy.backoffMaxMs, policy.backoffMs * 2 ** Math.min(failures, 40));
  return Math.round(full * (0.5 + jitter / 2));
}
