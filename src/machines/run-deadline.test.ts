import { expect, test } from 'vitest';
import { OVERHEAD_MS, runDeadline } from './run-deadline.ts';
import { limits, onSlave } from './run-fixture.ts';

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
