/** What a run machine is made of: what it remembers, hears and asks for. */
import type { ArtifactFacts, Ending, OutputFacts, Reason } from '../protocol/run.ts';
import type { RetryPolicy } from './retry.ts';

export interface RunLimits extends RetryPolicy {
  timeoutMs: number;
  queueTimeoutMs: number;
  graceMs: number;
  lostMax: number;
}

export interface RunContext {
  limits: RunLimits;
  /** The fence: grows with every grant, durable before anyone hears of it. */
  attempt: number;
  /** The attempt whose report was counted; 0: none yet. */
  settled: number;
  failures: number;
  lost: number;
  /** Runs that must end well first. */
  blockers: readonly string[];
  /** Queued again after a loss: before its class. */
  ahead: boolean;
  slave?: string | undefined;
  token?: string | undefined;
  queuedAt?: number | undefined;
  startedAt?: number | undefined;
  finishedAt?: number | undefined;
  backoffUntilAt?: number | undefined;
  stopUntilAt?: number | undefined;
  /** It is exclusive, and its lost attempt may live for so long from the loss on. */
  waitMs?: number | undefined;
  hold?: { by: string; note: string } | undefined;
  abort?: { by: string; why: string } | undefined;
  ending?: Ending | undefined;
  reason?: Reason | undefined;
  error?: string | undefined;
  outputs?: OutputFacts | undefined;
  artifacts?: readonly ArtifactFacts[] | undefined;
  notes?: readonly string[] | undefined;
}

export interface RunInput {
  limits: RunLimits;
  blockers: readonly string[];
  hold?: { by: string; note: string } | undefined;
}

/** Every event carries when it happened, on the master's wall clock. */
export type RunEvent = { at: number } & (
  | { type: 'run.submitted' }
  | { type: 'run.unblocked'; blocker: string }
  | { type: 'run.blockerFailed'; blocker: string; why: string }
  | { type: 'run.held'; by: string; note: string }
  | { type: 'run.released'; by: string }
  | { type: 'run.granted'; slave: string; token: string }
  | { type: 'attempt.accepted'; attempt: number; slave: string }
  | { type: 'attempt.rejected'; attempt: number; slave: string; why: string }
  | { type: 'attempt.executing'; attempt: number }
  | { type: 'attempt.collecting'; attempt: number }
  | { type: 'attempt.adopted'; attempt: number; slave: string }
  | {
      type: 'attempt.finished';
      attempt: number;
      slave: string;
      ending: Ending;
      /** In [0, 1): spreads the next try. */
      jitter: number;
      outputs?: OutputFacts | undefined;
      artifacts?: readonly ArtifactFacts[] | undefined;
      notes?: readonly string[] | undefined;
    }
  | {
      type: 'slave.lost';
      slave: string;
      attempt: number;
      why: string;
      /** Of an exclusive run: after so long no process of that attempt lives any more. */
      waitMs?: number | undefined;
    }
  | { type: 'abort.requested'; by: string; why: string }
  | { type: 'queue.expired' }
  | { type: 'backoff.over' }
  | { type: 'run.overdue' }
  | { type: 'stop.overdue' }
);
export type RunEventType = RunEvent['type'];
export type Of<T extends RunEventType> = Extract<RunEvent, { type: T }>;
/** What the master is asked to do once the decision is durable. */
export type RunEffect = 'enqueue' | 'sendAssign' | 'sendStop' | 'conclude';
