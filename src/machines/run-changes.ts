/** How what is known of a run changes with an event that its machine took. */
import { assign } from 'xstate';
import type { Ending, Reason } from '../protocol/run.ts';
import { retryDelayMs } from './retry.ts';
import type { Of, RunContext, RunEvent, RunEventType } from './run-context.ts';
import { OVERHEAD_MS } from './run-deadline.ts';

/** Wraps a pure change of the context for the events that it is used with. */
function change<T extends RunEventType>(
  update: (context: RunContext, event: Of<T>) => Partial<RunContext>,
) {
  return assign<RunContext, RunEvent, undefined, RunEvent, never>(({ context, event }) =>
    update(context, event as Of<T>),
  );
}

export function reasonOf(ending: Ending, slave: string): Reason {
  switch (ending.kind) {
    case 'exited':
      return `exited ${ending.code}`;
    case 'signalled':
      return `signal ${ending.signal}`;
    case 'timedOut':
      return `timeout.${ending.which}`;
    case 'aborted':
      return `aborted by slave ${slave}`;
    case 'lost':
      return `lost slave ${slave}: ${ending.why}`;
    case 'failed':
      return ending.code as Reason;
  }
}

const offSlave = {
  slave: undefined,
  startedAt: undefined,
  stopUntilAt: undefined,
  waitMs: undefined,
} as const;

export const changes = {
  queue: change<RunEventType>((_, event) => ({ queuedAt: event.at, waitMs: undefined })),
  unblock: change<'run.unblocked'>((context, event) => ({
    blockers: context.blockers.filter((blocker) => blocker !== event.blocker),
  })),
  hold: change<'run.held'>((_, event) => ({ hold: { by: event.by, note: event.note } })),
  release: change<'run.released'>(() => ({ hold: undefined })),
  grant: change<'run.granted'>((context, event) => ({
    attempt: context.attempt + 1,
    slave: event.slave,
    token: event.token,
    ahead: false,
  })),
  start: change<RunEventType>((_, event) => ({ startedAt: event.at })),
  adopt: change<'attempt.adopted'>((context, event) => ({
    slave: event.slave,
    startedAt: context.startedAt ?? event.at,
    backoffUntilAt: undefined,
    waitMs: undefined,
    ahead: false,
  })),
  rejoin: change<'attempt.rejected'>((context, event) => ({
    settled: context.attempt,
    ahead: true,
    queuedAt: event.at,
    ...offSlave,
  })),
  waitOut: change<'slave.lost'>((_, event) => ({
    backoffUntilAt: event.at + event.waitMs!,
    waitMs: event.waitMs,
  })),
  waitNot: change<RunEventType>((_, event) => ({ backoffUntilAt: event.at })),
  lose: change<'slave.lost'>((context, event) => ({
    lost: context.lost + 1,
    ahead: true,
    queuedAt: event.at,
    ...offSlave,
  })),
  giveBack: change<'attempt.finished'>((context, event) => ({
    lost: context.lost + 1,
    settled: context.attempt,
    ahead: true,
    queuedAt: event.at,
    ...offSlave,
  })),
  backOff: change<'attempt.finished'>((context, event) => ({
    settled: context.attempt,
    failures: context.failures + 1,
    // Only losses in a row count against the run.
    lost: 0,
    ending: event.ending,
    reason: reasonOf(event.ending, event.slave),
    backoffUntilAt: event.at + retryDelayMs(context.limits, context.failures, event.jitter),
    ...offSlave,
  })),
  requestStop: change<'abort.requested'>((context, { at, by, why }) => ({
    stopUntilAt: at + context.limits.graceMs + OVERHEAD_MS,
    abort: { by, why },
  })),
  record: change<'attempt.finished'>((context, event) => ({
    settled: context.attempt,
    slave: event.slave,
    backoffUntilAt: undefined,
    finishedAt: event.at,
    ending: event.ending,
    reason: reasonOf(event.ending, event.slave),
    error: event.ending.kind === 'failed' ? event.ending.why : undefined,
    outputs: event.outputs,
    artifacts: event.artifacts,
    notes: event.notes,
  })),
  recordAbort: change<RunEventType>((context, event) => {
    // What is being stopped knows who asked for it.
    const { by, why } = event.type === 'abort.requested' ? event : context.abort!;
    const reason = `aborted by ${by}${why === '' ? '' : `: ${why}`}` as const;
    return {
      settled: context.attempt,
      finishedAt: event.at,
      abort: { by, why },
      reason,
      error: reason,
    };
  }),
  keepOutputs: change<'attempt.finished'>((_, event) => ({
    ending: event.ending,
    outputs: event.outputs,
    artifacts: event.artifacts,
    notes: event.notes,
  })),
  recordBlocked: change<'run.blockerFailed'>((_, event) => ({
    finishedAt: event.at,
    reason: `blocked by ${event.blocker}: ${event.why}`,
    error: `run ${event.blocker} did not end well: ${event.why}`,
  })),
  recordLost: change<'slave.lost'>((context, event) => ({
    settled: context.attempt,
    finishedAt: event.at,
    lost: context.lost + 1,
    reason: `lost slave ${event.slave}`,
    error: `lost ${context.lost + 1} slaves in a row, the last was ${event.slave}`,
  })),
  recordQueueTimeout: change<'queue.expired'>((context, event) => ({
    settled: context.attempt,
    finishedAt: event.at,
    reason: 'timeout.queue',
  })),
  recordRunTimeout: change<'run.overdue'>((context, event) => ({
    settled: context.attempt,
    finishedAt: event.at,
    reason: 'timeout.run',
  })),
};
