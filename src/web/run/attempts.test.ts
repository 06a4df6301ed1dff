import { expect, test } from 'vitest';
import type { RunStep } from '../../protocol/devtools.ts';
import { attemptRows, timesOf } from './attempts.ts';

const START = Date.UTC(2026, 0, 1);

function step(seconds: number, after: string, attempt: number, slave?: string): RunStep {
  return {
    seq: seconds,
    n: 1,
    at: new Date(START + seconds * 1000).toISOString(),
    type: 'x',
    from: 'master',
    to: 'run/1',
    before: 'NEW',
    after,
    event: {},
    context: { attempt, ...(slave ? { slave } : {}) },
    changed: [],
    effects: [],
    sent: [],
  };
}

const STEPS = [
  step(0, 'PENDING.queued', 0),
  step(2, 'PENDING.assigned', 1, 's1'),
  step(3, 'RUNNING.executing', 1, 's1'),
  step(5, 'PENDING.backoff', 1),
  step(6, 'PENDING.queued', 1),
  step(7, 'PENDING.assigned', 2, 's2'),
  step(8, 'RUNNING.executing', 2, 's2'),
  { ...step(9, 'COMPLETE', 2, 's2'), reason: 'exited 0' },
];

test('what is waited for is in the row of the attempt that it waits for', () => {
  const rows = attemptRows(STEPS, START + 9000, '/runs/1');
  expect(rows.map(({ name, more, end }) => [name, more, end])).toEqual([
    ['attempt 1', 's1', ''],
    ['attempt 2', 's2', 'COMPLETE: exited 0'],
  ]);
  expect(rows[0]!.bars.map(({ state }) => state)).toEqual([
    'PENDING.queued',
    'PENDING.assigned',
    'RUNNING.executing',
  ]);
  expect(rows[1]!.bars.map(({ state, fromMs, toMs }) => [state, toMs - fromMs])).toEqual([
    ['PENDING.backoff', 1000],
    ['PENDING.queued', 1000],
    ['PENDING.assigned', 1000],
    ['RUNNING.executing', 1000],
  ]);
});

test('times of a state add up, and stop with the run', () => {
  expect(timesOf(STEPS, START + 100_000)).toEqual([
    ['PENDING.queued', 3000],
    ['RUNNING.executing', 3000],
    ['PENDING.assigned', 2000],
    ['PENDING.backoff', 1000],
  ]);
});
