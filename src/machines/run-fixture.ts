/** A run in attempt 1 on slave s1, and the events that it may hear there. */
import type { Ending } from '../protocol/run.ts';
import type { RunContext } from './run-context.ts';

export const at = 1_000;
export const limits = {
  retries: 0,
  backoffMs: 100,
  backoffMaxMs: 1_000,
  timeoutMs: 5_000,
  queueTimeoutMs: 7_000,
  graceMs: 200,
  lostMax: 5,
};
/** Attempt 1 is on s1 and not settled. */
export const onSlave: RunContext = {
  limits,
  attempt: 1,
  settled: 0,
  failures: 0,
  lost: 0,
  blockers: [],
  ahead: false,
  slave: 's1',
  token: 't1',
  queuedAt: 10,
};

export const submitted = { type: 'run.submitted', at } as const;
export const granted = { type: 'run.granted', at, slave: 's2', token: 't2' } as const;
export const held = { type: 'run.held', at, by: 'me', note: 'wait' } as const;
export const released = { type: 'run.released', at, by: 'me' } as const;
export const accepted = { type: 'attempt.accepted', at, attempt: 1, slave: 's1' } as const;
export const rejected = {
  type: 'attempt.rejected',
  at,
  attempt: 1,
  slave: 's1',
  why: 'full',
} as const;
export const executing = { type: 'attempt.executing', at, attempt: 1 } as const;
export const collecting = { type: 'attempt.collecting', at, attempt: 1 } as const;
export const adopted = { type: 'attempt.adopted', at, attempt: 1, slave: 's1' } as const;
export const lost = { type: 'slave.lost', at, slave: 's1', attempt: 1, why: 'lease over' } as const;
export const abort = { type: 'abort.requested', at, by: 'me', why: 'enough' } as const;
export const overdue = { type: 'run.overdue', at } as const;

export function finished(ending: Ending, attempt = 1) {
  return { type: 'attempt.finished', at, attempt, slave: 's1', ending, jitter: 0 } as const;
}
export const exited3 = finished({ kind: 'exited', code: 3 });
export const killed = finished({ kind: 'signalled', signal: 'SIGKILL' });
export const tooSlow = finished({ kind: 'timedOut', which: 'run' });
export const tooQuiet = finished({ kind: 'timedOut', which: 'output' });
export const stopped = finished({ kind: 'aborted' });
export const givenBack = finished({ kind: 'lost', why: 'shutdown' });
export const broken = finished({ kind: 'failed', code: 'bundle.digest', why: 'other bytes' });

/** One more try is left. */
export const retries = { limits: { ...limits, retries: 1 } };
