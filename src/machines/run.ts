/**
 * One run, from submission to its end. It decides and never acts: effects are named here and
 * carried out by the master after the decision is on disk. Deadlines are data (`runDeadline`), so a
 * restart or a simulated clock changes nothing (design.md part 3; dst.md part 4).
 */
import { setup } from 'xstate';
import { changes } from './run-changes.ts';
import type { RunContext, RunEvent, RunInput } from './run-context.ts';
import { guards } from './run-guards.ts';

const definition = setup({
  types: {
    context: {} as RunContext,
    events: {} as RunEvent,
    input: {} as RunInput,
  },
  guards,
  actions: {
    ...changes,
    // Effects: named here, carried out by the master.
    enqueue: () => {},
    sendAssign: () => {},
    sendStop: () => {},
    conclude: () => {},
  },
});

/** An end that the slave reports; the same wherever the run stands. */
const reported = [
  { guard: 'hasExited', target: '#run.COMPLETE', actions: ['record', 'conclude'] },
  { guard: 'hasTimedOut', target: '#run.TIMEDOUT', actions: ['record', 'conclude'] },
  { guard: 'wasAborted', target: '#run.ABORTED', actions: ['record', 'conclude'] },
  { guard: 'isCurrent', target: '#run.FAILED', actions: ['record', 'conclude'] },
] as const;

const finishedOrRetried = [
  { guard: 'isWorthARetry', target: '#run.PENDING.backoff', actions: ['backOff'] },
  { guard: 'isGivenBack', target: '#run.PENDING.queued', actions: ['giveBack', 'enqueue'] },
  ...reported,
] as const;

const lostAtAll = [
  { guard: 'isOneLossTooMany', target: '#run.FAILED', actions: ['recordLost', 'conclude'] },
  { guard: 'mayStillLive', target: '#run.PENDING.backoff', actions: ['lose', 'waitOut'] },
] as const;
const lostToQueue = {
  guard: 'isOnThatSlave',
  target: '#run.PENDING.queued',
  actions: ['lose', 'enqueue'],
} as const;
const lost = [...lostAtAll, lostToQueue] as const;

// A hold outlasts the attempt that was adopted under it: no other one starts before its release.
// Holds are looked at where a wait ends, so what need not wait has one that is over at once.
const finishedOrHeld = [
  { guard: 'isHeldGivenBack', target: '#run.PENDING.backoff', actions: ['giveBack', 'waitNot'] },
  ...finishedOrRetried,
] as const;
const lostOrHeld = [
  ...lostAtAll,
  { guard: 'isHeldOnThatSlave', target: '#run.PENDING.backoff', actions: ['lose', 'waitNot'] },
  lostToQueue,
] as const;

const abortAtOnce = { target: '#run.ABORTED', actions: ['recordAbort', 'conclude'] } as const;
const abortOnSlave = {
  target: '#run.RUNNING.stopping',
  actions: ['requestStop', 'sendStop'],
} as const;

const adopted = {
  guard: 'isCurrent',
  target: '#run.RUNNING.executing',
  actions: ['adopt'],
} as const;

/** It waits for something else besides. A second hold is refused, so that no note is lost. */
const holds = { guard: 'isNotHeld', actions: ['hold'] } as const;

/** It goes on, or waits for something else besides: what comes after that is free. */
const released = { guard: 'isHeld', actions: ['release'] } as const;

export const runMachine = definition.createMachine({
  id: 'run',
  context: ({ input }) => ({
    limits: input.limits,
    attempt: 0,
    settled: 0,
    failures: 0,
    lost: 0,
    blockers: input.blockers,
    ahead: false,
    // All there is, in one order: contexts of one shape are copied faster.
    slave: undefined,
    token: undefined,
    queuedAt: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    backoffUntilAt: undefined,
    stopUntilAt: undefined,
    hold: input.hold,
    abort: undefined,
    ending: undefined,
    reason: undefined,
    error: undefined,
    artifacts: undefined,
    notes: undefined,
    outputs: undefined,
    waitMs: undefined,
  }),
  initial: 'NEW',
  states: {
    NEW: {
      on: {
        'run.submitted': [
          { guard: 'isBlocked', target: 'PENDING.blocked' },
          { guard: 'isHeld', target: 'PENDING.held' },
          { target: 'PENDING.queued', actions: ['queue', 'enqueue'] },
        ],
      },
    },
    PENDING: {
      initial: 'queued',
      on: { 'abort.requested': abortAtOnce },
      states: {
        blocked: {
          on: {
            'run.unblocked': [
              { guard: 'isLastBlockerOfHeld', target: 'held', actions: ['unblock'] },
              {
                guard: 'isLastBlocker',
                target: 'queued',
                actions: ['unblock', 'queue', 'enqueue'],
              },
              { actions: ['unblock'] },
            ],
            'run.blockerFailed': {
              target: '#run.ABORTED',
              actions: ['recordBlocked', 'conclude'],
            },
            'run.held': holds,
            'run.released': released,
          },
        },
        held: {
          on: {
            'run.released': { target: 'queued', actions: ['release', 'queue', 'enqueue'] },
            'attempt.finished': [
              { guard: 'isWorthARetry', actions: ['backOff'] },
              { guard: 'isGivenBack', actions: ['giveBack'] },
              ...reported,
            ],
            'attempt.adopted': adopted,
          },
        },
        queued: {
          on: {
            'run.granted': { target: 'assigned', actions: ['grant', 'sendAssign'] },
            'run.held': { target: 'held', actions: ['hold'] },
            'queue.expired': {
              target: '#run.TIMEDOUT',
              actions: ['recordQueueTimeout', 'conclude'],
            },
            // Until a newer attempt is granted, the lost one's word still counts (step 6).
            'attempt.finished': finishedOrRetried,
            'attempt.adopted': adopted,
          },
        },
        assigned: {
          on: {
            'attempt.accepted': {
              guard: 'isCurrent',
              target: '#run.RUNNING.preparing',
              actions: ['start'],
            },
            'attempt.executing': {
              guard: 'isCurrent',
              target: '#run.RUNNING.executing',
              actions: ['start'],
            },
            'attempt.adopted': adopted,
            'attempt.rejected': {
              guard: 'isOnThatSlave',
              target: 'queued',
              actions: ['rejoin', 'enqueue'],
            },
            'attempt.finished': finishedOrRetried,
            'slave.lost': lost,
            'abort.requested': abortOnSlave,
          },
        },
        backoff: {
          on: {
            'backoff.over': [
              { guard: 'isHeld', target: 'held', actions: ['queue'] },
              { target: 'queued', actions: ['queue', 'enqueue'] },
            ],
            // A wait is not cut short by a hold and its release.
            'run.held': holds,
            'run.released': released,
            'attempt.finished': finishedOrHeld,
            'attempt.adopted': adopted,
          },
        },
      },
    },
    RUNNING: {
      initial: 'preparing',
      on: {
        'attempt.finished': finishedOrHeld,
        'slave.lost': lostOrHeld,
        'abort.requested': abortOnSlave,
        'run.released': released,
        'run.overdue': {
          target: '#run.TIMEDOUT',
          actions: ['recordRunTimeout', 'sendStop', 'conclude'],
        },
      },
      states: {
        preparing: {
          on: {
            'attempt.executing': { guard: 'isCurrent', target: 'executing' },
            'attempt.collecting': { guard: 'isCurrent', target: 'collecting' },
          },
        },
        executing: {
          on: { 'attempt.collecting': { guard: 'isCurrent', target: 'collecting' } },
        },
        collecting: {},
        stopping: {
          on: {
            'attempt.finished': [
              {
                guard: 'wasStopped',
                target: '#run.ABORTED',
                actions: ['keepOutputs', 'recordAbort', 'conclude'],
              },
              ...reported,
            ],
            'attempt.rejected': {
              guard: 'isOnThatSlave',
              ...abortAtOnce,
            },
            'slave.lost': { guard: 'isOnThatSlave', ...abortAtOnce },
            'stop.overdue': abortAtOnce,
            'abort.requested': { actions: ['sendStop'] },
            'run.overdue': {},
          },
        },
      },
    },
    COMPLETE: { type: 'final' },
    FAILED: { type: 'final' },
    ABORTED: { type: 'final' },
    TIMEDOUT: { type: 'final' },
  },
});
