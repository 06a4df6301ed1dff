/** What a run does alike in several of its states. */
import type { Case } from '../../test/kit/machine-cases.ts';
import type { RunContext, RunEffect, RunEvent } from './run-context.ts';
import { OVERHEAD_MS } from './run-deadline.ts';
import {
  abort,
  adopted,
  at,
  broken,
  exited3,
  finished,
  givenBack,
  killed,
  limits,
  lost,
  overdue,
  retries,
  stopped,
  tooQuiet,
  tooSlow,
} from './run-fixture.ts';

export type RunCase = Case<RunContext, RunEvent, RunEffect>;

export const aborting = { abort: { by: 'me', why: 'enough' } };
export const offSlave = { slave: undefined, startedAt: undefined };
export const requeued = { ...offSlave, ahead: true, queuedAt: at };
const lossesSpent = { lost: limits.lostMax };
export const hold = { by: 'me', note: 'wait' };

/** What a report leads to wherever its attempt is current. */
export function reportsIn(state: string): RunCase[] {
  const end = { settled: 1, finishedAt: at, slave: 's1' };
  return [
    {
      in: state,
      on: exited3,
      to: 'COMPLETE',
      facts: { ...end, reason: 'exited 3', error: undefined },
      effects: ['conclude'],
    },
    {
      in: state,
      on: killed,
      when: 'killed',
      to: 'COMPLETE',
      facts: { ...end, reason: 'signal SIGKILL' },
      effects: ['conclude'],
    },
    {
      in: state,
      on: tooSlow,
      when: 'too slow',
      to: 'TIMEDOUT',
      facts: { ...end, reason: 'timeout.run' },
      effects: ['conclude'],
    },
    {
      in: state,
      on: tooQuiet,
      when: 'too quiet',
      to: 'TIMEDOUT',
      facts: { ...end, reason: 'timeout.output' },
      effects: ['conclude'],
    },
    {
      in: state,
      on: broken,
      when: 'the mechanism failed',
      to: 'FAILED',
      facts: { ...end, reason: 'bundle.digest', error: 'other bytes' },
      effects: ['conclude'],
    },
    { in: state, on: finished({ kind: 'exited', code: 0 }, 2), when: 'not of it', to: undefined },
    { in: state, on: exited3, when: 'settled', has: { settled: 1 }, to: undefined },
  ];
}

/** In all but stopping: an ending may be worth another try, or be a loss. A hold outlasts both. */
export function endingsIn(state: string): RunCase[] {
  const isHeld = state === 'PENDING.held';
  return [
    ...reportsIn(state),
    {
      in: state,
      on: stopped,
      when: 'aborted by its slave',
      to: 'ABORTED',
      facts: { reason: 'aborted by slave s1' },
      effects: ['conclude'],
    },
    {
      in: state,
      on: exited3,
      when: 'a retry is left',
      has: retries,
      to: isHeld ? state : 'PENDING.backoff',
      facts: { ...offSlave, settled: 1, failures: 1, backoffUntilAt: at + 50 },
    },
    {
      in: state,
      on: givenBack,
      when: 'given back',
      to: isHeld ? state : 'PENDING.queued',
      facts: { ...requeued, settled: 1, lost: 1, failures: 0 },
      effects: isHeld ? [] : ['enqueue'],
    },
    {
      in: state,
      on: givenBack,
      when: 'given back once too often',
      has: lossesSpent,
      to: 'FAILED',
      facts: { reason: 'lost slave s1: shutdown' },
      effects: ['conclude'],
    },
  ];
}

/** Of an attempt that was adopted while its run was held: no other starts before the release. */
export function heldIn(state: string): RunCase[] {
  return [
    {
      in: state,
      on: exited3,
      when: 'held, and a retry is left',
      has: { ...retries, hold },
      to: 'PENDING.backoff',
      facts: { ...offSlave, hold, settled: 1, failures: 1, backoffUntilAt: at + 50 },
      effects: [],
    },
    {
      in: state,
      on: givenBack,
      when: 'held, and given back',
      has: { hold },
      to: 'PENDING.backoff',
      facts: { ...requeued, hold, settled: 1, lost: 1, backoffUntilAt: at },
      effects: [],
    },
    ...releasedIn(state),
  ];
}

export function releasedIn(state: string): RunCase[] {
  const released: RunEvent = { type: 'run.released', at, by: 'me' };
  return [
    { in: state, on: released, when: 'held', has: { hold }, to: state, facts: { hold: undefined } },
    { in: state, on: released, when: 'not held', to: undefined },
  ];
}

export function lostWhileHeldIn(state: string): RunCase {
  return {
    in: state,
    on: lost,
    when: 'held',
    has: { hold },
    to: 'PENDING.backoff',
    facts: { ...requeued, hold, lost: 1, settled: 0, backoffUntilAt: at },
    effects: [],
  };
}

export function lossesIn(state: string): RunCase[] {
  return [
    {
      in: state,
      on: lost,
      to: 'PENDING.queued',
      facts: { ...requeued, lost: 1, attempt: 1, settled: 0, failures: 0 },
      effects: ['enqueue'],
    },
    {
      in: state,
      on: lost,
      when: 'once too often',
      has: lossesSpent,
      to: 'FAILED',
      facts: { finishedAt: at, reason: 'lost slave s1', settled: 1 },
      effects: ['conclude'],
    },
    {
      in: state,
      on: { ...lost, waitMs: 500 },
      when: 'of an exclusive run',
      to: 'PENDING.backoff',
      facts: { ...requeued, lost: 1, settled: 0, waitMs: 500, backoffUntilAt: at + 500 },
      effects: [],
    },
    { in: state, on: { ...lost, slave: 's2' }, when: 'another slave', to: undefined },
    { in: state, on: { ...lost, attempt: 2 }, when: 'another attempt', to: undefined },
  ];
}

export function abortsAtOnce(state: string): RunCase {
  return {
    in: state,
    on: abort,
    to: 'ABORTED',
    facts: { finishedAt: at, settled: 1, reason: 'aborted by me: enough', abort: aborting.abort },
    effects: ['conclude'],
  };
}

export function abortsOnSlave(state: string): RunCase {
  return {
    in: state,
    on: abort,
    to: 'RUNNING.stopping',
    facts: { ...aborting, stopUntilAt: at + limits.graceMs + OVERHEAD_MS, finishedAt: undefined },
    effects: ['sendStop'],
  };
}

export function adoptsIn(state: string): RunCase[] {
  return [
    {
      in: state,
      on: { ...adopted, slave: 's3' },
      to: 'RUNNING.executing',
      facts: { attempt: 1, slave: 's3', startedAt: at, ahead: false },
    },
    { in: state, on: adopted, when: 'settled', has: { settled: 1 }, to: undefined },
  ];
}

export function overdueIn(state: string): RunCase {
  return {
    in: state,
    on: overdue,
    to: 'TIMEDOUT',
    facts: { settled: 1, finishedAt: at, reason: 'timeout.run' },
    effects: ['sendStop', 'conclude'],
  };
}
