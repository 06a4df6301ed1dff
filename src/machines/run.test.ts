import { expect, test } from 'vitest';
import { testCases } from '../../test/kit/machine-cases.ts';
import type { Case } from '../../test/kit/machine-cases.ts';
import { isDone } from '../protocol/run.ts';
import type { Ending, Reason } from '../protocol/run.ts';
import { OVERHEAD_MS, runDeadline } from './run-deadline.ts';
import { reasonOf, runMachine } from './run.ts';
import type { RunContext, RunEffect, RunEvent } from './run-context.ts';
import { deriveTable } from './table.ts';

const at = 1_000;
const limits = {
  retries: 0,
  backoffMs: 100,
  backoffMaxMs: 1_000,
  timeoutMs: 5_000,
  queueTimeoutMs: 7_000,
  graceMs: 200,
  lostMax: 5,
};
/** Attempt 1 is on s1 and not settled. */
const onSlave: RunContext = {
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

const submitted = { type: 'run.submitted', at } as const;
const granted = { type: 'run.granted', at, slave: 's2', token: 't2' } as const;
const held = { type: 'run.held', at, by: 'me', note: 'wait' } as const;
const released = { type: 'run.released', at, by: 'me' } as const;
const accepted = { type: 'attempt.accepted', at, attempt: 1, slave: 's1' } as const;
const rejected = { type: 'attempt.rejected', at, attempt: 1, slave: 's1', why: 'full' } as const;
const executing = { type: 'attempt.executing', at, attempt: 1 } as const;
const collecting = { type: 'attempt.collecting', at, attempt: 1 } as const;
const adopted = { type: 'attempt.adopted', at, attempt: 1, slave: 's1' } as const;
const lost = { type: 'slave.lost', at, slave: 's1', attempt: 1, why: 'lease over' } as const;
const abort = { type: 'abort.requested', at, by: 'me', why: 'enough' } as const;
const overdue = { type: 'run.overdue', at } as const;

function finished(ending: Ending, attempt = 1) {
  return { type: 'attempt.finished', at, attempt, slave: 's1', ending, jitter: 0 } as const;
}
const exited3 = finished({ kind: 'exited', code: 3 });
const killed = finished({ kind: 'signalled', signal: 'SIGKILL' });
const tooSlow = finished({ kind: 'timedOut', which: 'run' });
const tooQuiet = finished({ kind: 'timedOut', which: 'output' });
const stopped = finished({ kind: 'aborted' });
const givenBack = finished({ kind: 'lost', why: 'shutdown' });
const broken = finished({ kind: 'failed', code: 'bundle.digest', why: 'other bytes' });

type RunCase = Case<RunContext, RunEvent, RunEffect>;
const retries = { limits: { ...limits, retries: 1 } };
const aborting = { abort: { by: 'me', why: 'enough' } };
const offSlave = { slave: undefined, startedAt: undefined };
const requeued = { ...offSlave, ahead: true, queuedAt: at };
const lossesSpent = { lost: limits.lostMax };

/** What a report leads to wherever its attempt is current. */
function reportsIn(state: string): RunCase[] {
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
function endingsIn(state: string): RunCase[] {
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

function lossesIn(state: string): RunCase[] {
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

function abortsAtOnce(state: string): RunCase {
  return {
    in: state,
    on: abort,
    to: 'ABORTED',
    facts: { finishedAt: at, settled: 1, reason: 'aborted by me: enough', abort: aborting.abort },
    effects: ['conclude'],
  };
}

function abortsOnSlave(state: string): RunCase {
  return {
    in: state,
    on: abort,
    to: 'RUNNING.stopping',
    facts: { ...aborting, stopUntilAt: at + limits.graceMs + OVERHEAD_MS, finishedAt: undefined },
    effects: ['sendStop'],
  };
}

function adoptsIn(state: string): RunCase[] {
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

function overdueIn(state: string): RunCase {
  return {
    in: state,
    on: overdue,
    to: 'TIMEDOUT',
    facts: { settled: 1, finishedAt: at, reason: 'timeout.run' },
    effects: ['sendStop', 'conclude'],
  };
}

const blocked = { attempt: 0, slave: undefined, blockers: ['a', 'b'] };
const hold = { by: 'me', note: 'wait' };

const cases: RunCase[] = [
  {
    in: 'NEW',
    on: submitted,
    has: { attempt: 0 },
    to: 'PENDING.queued',
    facts: { queuedAt: at },
    effects: ['enqueue'],
  },
  { in: 'NEW', on: submitted, when: 'blocked', has: blocked, to: 'PENDING.blocked' },
  { in: 'NEW', on: submitted, when: 'held', has: { hold }, to: 'PENDING.held' },
  {
    in: 'NEW',
    on: submitted,
    when: 'blocked and held',
    has: { ...blocked, hold },
    to: 'PENDING.blocked',
  },

  {
    in: 'PENDING.blocked',
    on: { type: 'run.unblocked', at, blocker: 'a' },
    when: 'others block it too',
    has: blocked,
    to: 'PENDING.blocked',
    facts: { blockers: ['b'] },
  },
  {
    in: 'PENDING.blocked',
    on: { type: 'run.unblocked', at, blocker: 'b' },
    when: 'the last',
    has: { ...blocked, blockers: ['b'] },
    to: 'PENDING.queued',
    facts: { blockers: [], queuedAt: at },
    effects: ['enqueue'],
  },
  {
    in: 'PENDING.blocked',
    on: { type: 'run.unblocked', at, blocker: 'b' },
    when: 'the last, and held',
    has: { ...blocked, blockers: ['b'], hold },
    to: 'PENDING.held',
    facts: { blockers: [] },
  },
  {
    in: 'PENDING.blocked',
    on: { type: 'run.unblocked', at, blocker: 'x' },
    when: 'of a stranger',
    has: { ...blocked, blockers: ['b'] },
    to: 'PENDING.blocked',
    facts: { blockers: ['b'] },
  },
  {
    in: 'PENDING.blocked',
    on: { type: 'run.blockerFailed', at, blocker: 'a', why: 'COMPLETE (exited 1)' },
    has: blocked,
    to: 'ABORTED',
    facts: { finishedAt: at, reason: 'blocked by a: COMPLETE (exited 1)' },
    effects: ['conclude'],
  },
  { in: 'PENDING.blocked', on: held, has: blocked, to: 'PENDING.blocked', facts: { hold } },
  {
    in: 'PENDING.blocked',
    on: released,
    has: { ...blocked, hold },
    to: 'PENDING.blocked',
    facts: { hold: undefined },
  },
  { in: 'PENDING.blocked', on: granted, has: blocked, to: undefined },
  abortsAtOnce('PENDING.blocked'),

  {
    in: 'PENDING.held',
    on: released,
    has: { hold },
    to: 'PENDING.queued',
    facts: { hold: undefined, queuedAt: at },
    effects: ['enqueue'],
  },
  { in: 'PENDING.held', on: granted, has: { hold }, to: undefined },
  { in: 'PENDING.held', on: { type: 'queue.expired', at }, has: { hold }, to: undefined },
  ...endingsIn('PENDING.held'),
  ...adoptsIn('PENDING.held'),
  abortsAtOnce('PENDING.held'),

  {
    in: 'PENDING.queued',
    on: granted,
    has: { ahead: true },
    to: 'PENDING.assigned',
    facts: { attempt: 2, slave: 's2', token: 't2', ahead: false, settled: 0 },
    effects: ['sendAssign'],
  },
  { in: 'PENDING.queued', on: held, to: 'PENDING.held', facts: { hold } },
  {
    in: 'PENDING.queued',
    on: { type: 'queue.expired', at },
    to: 'TIMEDOUT',
    facts: { settled: 1, finishedAt: at, reason: 'timeout.queue' },
    effects: ['conclude'],
  },
  ...endingsIn('PENDING.queued'),
  ...adoptsIn('PENDING.queued'),
  abortsAtOnce('PENDING.queued'),
  { in: 'PENDING.queued', on: lost, to: undefined },
  { in: 'PENDING.queued', on: { type: 'backoff.over', at }, to: undefined },

  { in: 'PENDING.assigned', on: accepted, to: 'RUNNING.preparing', facts: { startedAt: at } },
  { in: 'PENDING.assigned', on: { ...accepted, attempt: 2 }, when: 'stale', to: undefined },
  { in: 'PENDING.assigned', on: executing, to: 'RUNNING.executing', facts: { startedAt: at } },
  {
    in: 'PENDING.assigned',
    on: rejected,
    to: 'PENDING.queued',
    facts: { ...requeued, settled: 1, lost: 0, failures: 0 },
    effects: ['enqueue'],
  },
  { in: 'PENDING.assigned', on: { ...rejected, slave: 's2' }, when: 'a stranger', to: undefined },
  { in: 'PENDING.assigned', on: granted, to: undefined },
  { in: 'PENDING.assigned', on: held, to: undefined },
  ...adoptsIn('PENDING.assigned'),
  ...endingsIn('PENDING.assigned'),
  ...lossesIn('PENDING.assigned'),
  abortsOnSlave('PENDING.assigned'),

  {
    in: 'PENDING.backoff',
    on: { type: 'backoff.over', at },
    has: { settled: 1, ...offSlave },
    to: 'PENDING.queued',
    facts: { queuedAt: at },
    effects: ['enqueue'],
  },
  { in: 'PENDING.backoff', on: held, to: 'PENDING.held', facts: { hold } },
  {
    in: 'PENDING.backoff',
    on: held,
    when: 'its lost attempt may still live',
    has: { waitMs: 500 },
    to: undefined,
  },
  ...endingsIn('PENDING.backoff'),
  ...adoptsIn('PENDING.backoff'),
  { in: 'PENDING.backoff', on: granted, to: undefined },
  {
    in: 'PENDING.backoff',
    on: exited3,
    when: 'reported again',
    has: { settled: 1 },
    to: undefined,
  },
  abortsAtOnce('PENDING.backoff'),

  { in: 'RUNNING.preparing', on: executing, to: 'RUNNING.executing' },
  { in: 'RUNNING.preparing', on: { ...executing, attempt: 0 }, when: 'stale', to: undefined },
  { in: 'RUNNING.preparing', on: collecting, to: 'RUNNING.collecting' },
  { in: 'RUNNING.executing', on: collecting, to: 'RUNNING.collecting' },
  { in: 'RUNNING.executing', on: { ...collecting, attempt: 2 }, when: 'stale', to: undefined },
  { in: 'RUNNING.collecting', on: executing, to: undefined },
  ...['preparing', 'executing', 'collecting'].flatMap((substate) => [
    ...endingsIn(`RUNNING.${substate}`),
    ...lossesIn(`RUNNING.${substate}`),
    abortsOnSlave(`RUNNING.${substate}`),
    overdueIn(`RUNNING.${substate}`),
    { in: `RUNNING.${substate}`, on: granted, to: undefined },
    { in: `RUNNING.${substate}`, on: held, to: undefined },
  ]),

  ...reportsIn('RUNNING.stopping'),
  {
    in: 'RUNNING.stopping',
    on: exited3,
    when: 'a retry is left',
    has: retries,
    to: 'COMPLETE',
    facts: { reason: 'exited 3' },
    effects: ['conclude'],
  },
  ...[stopped, givenBack].map((event): RunCase => ({
    in: 'RUNNING.stopping',
    on: event,
    when: `the ending is ${event.ending.kind}`,
    has: aborting,
    to: 'ABORTED',
    facts: { reason: 'aborted by me: enough', ending: event.ending, settled: 1, finishedAt: at },
    effects: ['conclude'],
  })),
  ...[rejected, lost, { type: 'stop.overdue', at } as const].map((event): RunCase => ({
    in: 'RUNNING.stopping',
    on: event,
    has: aborting,
    to: 'ABORTED',
    facts: { reason: 'aborted by me: enough', settled: 1, finishedAt: at },
    effects: ['conclude'],
  })),
  { in: 'RUNNING.stopping', on: { ...lost, slave: 's2' }, when: 'a stranger', to: undefined },
  { in: 'RUNNING.stopping', on: abort, to: 'RUNNING.stopping', effects: ['sendStop'] },
  { in: 'RUNNING.stopping', on: overdue, to: 'RUNNING.stopping' },
];

testCases(runMachine, onSlave, cases);

const table = deriveTable<RunContext, RunEvent, RunEffect>(runMachine);

test('a done run reacts to no event at all, whatever its context', () => {
  const events = new Map(cases.map(({ on }) => [JSON.stringify(on), on]));
  const done = table.states.filter(isDone).filter((state) => state !== 'NEW');
  expect(done).toEqual(['COMPLETE', 'FAILED', 'ABORTED', 'TIMEDOUT']);
  for (const state of done) {
    for (const event of events.values()) {
      for (const context of [onSlave, { ...onSlave, settled: 1 }]) {
        expect(table.decide(state, context, event), `${event.type} in ${state}`).toBeUndefined();
      }
    }
  }
});

test('no state waits for nothing: each that is not done has an event that ends it', () => {
  for (const state of table.states.filter((name) => name.includes('.'))) {
    expect(table.knows(state, 'abort.requested'), state).toBe(true);
  }
});

test.each<[Ending, Reason]>([
  [{ kind: 'exited', code: 0 }, 'exited 0'],
  [{ kind: 'signalled', signal: 'SIGSEGV' }, 'signal SIGSEGV'],
  [{ kind: 'timedOut', which: 'run' }, 'timeout.run'],
  [{ kind: 'timedOut', which: 'output' }, 'timeout.output'],
  [{ kind: 'aborted' }, 'aborted by slave s7'],
  [{ kind: 'lost', why: 'reboot' }, 'lost slave s7: reboot'],
  [{ kind: 'failed', code: 'bundle.digest', why: 'x' }, 'bundle.digest'],
])('the ending %j has the reason "%s"', (ending, reason) => {
  expect(reasonOf(ending, 's7')).toBe(reason);
});

test('every case that ends a run gives it a reason and the instant of its end', () => {
  for (const { in: state, on, has } of cases) {
    const decision = table.decide(state, { ...onSlave, ...has }, on);
    if (!decision || !isDone(decision.state)) continue;
    expect(decision.context.reason, `${on.type} in ${state}`).toBeTruthy();
    expect(decision.context.finishedAt, `${on.type} in ${state}`).toBe(at);
  }
});

function play(context: RunContext, ...events: RunEvent[]) {
  let now = { state: 'PENDING.queued', context };
  for (const event of events) now = table.decide(now.state, now.context, event) ?? now;
  return now;
}

/** Grants the next attempt and loses its slave. */
function loss(attempt: number): RunEvent[] {
  return [
    { ...granted, slave: `s${attempt}` },
    { type: 'attempt.accepted', at, attempt, slave: `s${attempt}` },
    { type: 'slave.lost', at, attempt, slave: `s${attempt}`, why: 'lease over' },
  ];
}

const fresh: RunContext = { ...onSlave, attempt: 0, slave: undefined, token: undefined };

test('a run that loses lostMax slaves in a row ends FAILED', () => {
  const { state } = play(fresh, ...[1, 2, 3, 4, 5].flatMap(loss));
  expect(state).toBe('FAILED');
});

test('a run that loses one slave less than lostMax is queued again', () => {
  const { state, context } = play(fresh, ...[1, 2, 3, 4].flatMap(loss));
  expect(state).toBe('PENDING.queued');
  expect(context).toMatchObject({ lost: 4, attempt: 4, failures: 0, ahead: true });
});

test('losses before an attempt that was reported are not in a row with later ones', () => {
  const patient = { ...fresh, limits: { ...limits, retries: 9, lostMax: 4 } };
  const failure: RunEvent[] = [
    { ...granted, slave: 's4' },
    { type: 'attempt.accepted', at, attempt: 4, slave: 's4' },
    { ...finished({ kind: 'exited', code: 1 }, 4), slave: 's4' },
    { type: 'backoff.over', at },
  ];
  const { context } = play(patient, ...[1, 2, 3].flatMap(loss), ...failure);
  expect(context.lost).toBe(0);
});

test('a run held after a loss keeps its retries when the lost attempt reports a failure', () => {
  const { state } = play({ ...onSlave, ...retries }, held, exited3);
  expect(state.startsWith('PENDING')).toBe(true);
});

test('a run held after a loss does not fail when its old slave gives it back', () => {
  const { state } = play(onSlave, held, givenBack);
  expect(state.startsWith('PENDING')).toBe(true);
});

test('a late result of a lost attempt counts until a newer attempt is granted', () => {
  const lostOnce = play(fresh, ...loss(1));
  const late = finished({ kind: 'exited', code: 0 });
  expect(table.decide(lostOnce.state, lostOnce.context, late)?.state).toBe('COMPLETE');
  const regranted = play(fresh, ...loss(1), { ...granted, slave: 's2' });
  expect(table.decide(regranted.state, regranted.context, late)).toBeUndefined();
});

test('the same failure reported twice is counted once', () => {
  const patient = { ...fresh, limits: { ...limits, retries: 3 } };
  const { context } = play(patient, { ...granted, slave: 's1' }, accepted, exited3, exited3);
  expect(context.failures).toBe(1);
});

const overdueMs = limits.timeoutMs + limits.graceMs + OVERHEAD_MS;
const stopMs = limits.graceMs + OVERHEAD_MS;
test.each([
  ['PENDING.queued', { queuedAt: 10 }, { at: 7_010, withinMs: 7_000, event: 'queue.expired' }],
  [
    'PENDING.backoff',
    { backoffUntilAt: 44 },
    { at: 44, withinMs: limits.backoffMaxMs, event: 'backoff.over' },
  ],
  [
    'PENDING.backoff',
    { backoffUntilAt: 44, waitMs: 9_000 },
    { at: 44, withinMs: 9_000, event: 'backoff.over', isWhole: true },
  ],
  [
    'RUNNING.stopping',
    { stopUntilAt: 55 },
    { at: 55, withinMs: stopMs, event: 'stop.overdue', isWhole: true },
  ],
  [
    'RUNNING.executing',
    { startedAt: 20 },
    { at: 20 + overdueMs, withinMs: overdueMs, event: 'run.overdue', isWhole: true },
  ],
  ['PENDING.held', {}, undefined],
  ['PENDING.blocked', {}, undefined],
  ['PENDING.assigned', {}, undefined],
  ['COMPLETE', { startedAt: 20 }, undefined],
])('in %s with %j the clock is due %j', (state, has, due) => {
  expect(runDeadline(state, { ...onSlave, ...has })).toEqual(due);
});

test('a limit of 0 is none', () => {
  const none = { ...onSlave, startedAt: 5, limits: { ...limits, timeoutMs: 0, queueTimeoutMs: 0 } };
  expect(runDeadline('PENDING.queued', none)).toBeUndefined();
  expect(runDeadline('RUNNING.executing', none)).toBeUndefined();
});
