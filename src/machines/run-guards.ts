/** What a run's machine asks before it takes an event: of the event, and of where the run stands. */
import type { Ending } from '../protocol/run.ts';
import { retryIsDue } from './retry.ts';
import type { Of, RunContext, RunEvent } from './run-context.ts';

interface Step {
  context: RunContext;
  event: RunEvent;
}

/** The fence: of an attempt that was settled, or that a newer one follows, nothing counts (S4). */
function isCurrent({ context, event }: Step): boolean {
  return (
    'attempt' in event && event.attempt === context.attempt && context.attempt > context.settled
  );
}

function isOnThatSlave(step: Step): boolean {
  return isCurrent(step) && 'slave' in step.event && step.event.slave === step.context.slave;
}

function finished(step: Step): Of<'attempt.finished'> | undefined {
  return step.event.type === 'attempt.finished' && isCurrent(step) ? step.event : undefined;
}

function endingIs(step: Step, ...kinds: Ending['kind'][]): boolean {
  const kind = finished(step)?.ending.kind;
  return kind !== undefined && kinds.includes(kind);
}

function isHeld({ context }: Step): boolean {
  return context.hold !== undefined;
}

function isWorthARetry(step: Step): boolean {
  const event = finished(step);
  return event !== undefined && retryIsDue(step.context, step.context.limits, event.ending);
}

function isGivenBack(step: Step): boolean {
  return endingIs(step, 'lost') && step.context.lost + 1 < step.context.limits.lostMax;
}

function isLastBlocker({ context: { blockers }, event }: Step): boolean {
  return event.type === 'run.unblocked' && blockers.length === 1 && blockers[0] === event.blocker;
}

export const guards = {
  isHeld,
  isNotHeld: (step: Step) => !isHeld(step),
  isBlocked: ({ context }: Step) => context.blockers.length > 0,
  isLastBlocker,
  isLastBlockerOfHeld: (step: Step) => isHeld(step) && isLastBlocker(step),
  isCurrent,
  isOnThatSlave,
  isHeldOnThatSlave: (step: Step) => isHeld(step) && isOnThatSlave(step),
  isOneLossTooMany: (step: Step) =>
    isOnThatSlave(step) && step.context.lost + 1 >= step.context.limits.lostMax,
  mayStillLive: (step: Step) =>
    step.event.type === 'slave.lost' && step.event.waitMs !== undefined && isOnThatSlave(step),
  isWorthARetry,
  isGivenBack,
  isHeldGivenBack: (step: Step) => isHeld(step) && isGivenBack(step),
  hasExited: (step: Step) => endingIs(step, 'exited', 'signalled'),
  hasTimedOut: (step: Step) => endingIs(step, 'timedOut'),
  wasAborted: (step: Step) => endingIs(step, 'aborted'),
  wasStopped: (step: Step) => endingIs(step, 'aborted', 'lost'),
};
