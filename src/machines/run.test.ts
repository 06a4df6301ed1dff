import { expect, test } from 'vitest';
import { testCases } from '../../test/kit/machine-cases.ts';
import { isDone } from '../protocol/run.ts';
import type { Ending, Reason } from '../protocol/run.ts';
import {
  abortsAtOnce,
  abortsOnSlave,
  aborting,
  adoptsIn,
  endingsIn,
  heldIn,
  hold,
  lossesIn,
  lostWhileHeldIn,
  offSlave,
  overdueIn,
  releasedIn,
  reportsIn,
  requeued,
} from './run-cases-fixture.ts';
import type { RunCase } from './run-cases-fixture.ts';
import type { RunContext, RunEffect, RunEvent } from './run-context.ts';
import {
  abort,
  accepted,
  at,
  collecting,
  executing,
  exited3,
  givenBack,
  granted,
  held,
  lost,
  onSlave,
  overdue,
  rejected,
  released,
  retries,
  stopped,
  submitted,
} from './run-fixture.ts';
import { reasonOf } from './run-changes.ts';
import { runMachine } from './run.ts';
import { deriveTable } from './table.ts';

const blocked = { attempt: 0, slave: undefined, blockers: ['a', 'b'] };

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
  { in: 'PENDING.blocked', on: held, when: 'held', has: { ...blocked, hold }, to: undefined },
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
  {
    in: 'PENDING.backoff',
    on: { type: 'backoff.over', at },
    when: 'held',
    has: { settled: 1, ...offSlave, hold },
    to: 'PENDING.held',
    facts: { hold, waitMs: undefined },
    effects: [],
  },
  { in: 'PENDING.backoff', on: held, to: 'PENDING.backoff', facts: { hold } },
  { in: 'PENDING.backoff', on: held, when: 'held', has: { hold }, to: undefined },
  ...heldIn('PENDING.backoff'),
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
    ...heldIn(`RUNNING.${substate}`),
    lostWhileHeldIn(`RUNNING.${substate}`),
    abortsOnSlave(`RUNNING.${substate}`),
    overdueIn(`RUNNING.${substate}`),
    { in: `RUNNING.${substate}`, on: granted, to: undefined },
    { in: `RUNNING.${substate}`, on: held, to: undefined },
  ]),

  ...reportsIn('RUNNING.stopping'),
  ...releasedIn('RUNNING.stopping'),
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
