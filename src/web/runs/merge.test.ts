import { expect, test } from 'vitest';
import type { HistoryEvent } from '../../protocol/http.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { withEvents, withNewest } from './merge.ts';

function run(runId: string, more: Partial<RunStatus> = {}): RunStatus {
  const createdAt = '2026-01-01T00:00:00.000Z';
  return {
    runId,
    state: 'PENDING',
    attempt: 0,
    failures: 0,
    lost: 0,
    priority: 0,
    createdAt,
    ...more,
  };
}

const event = (runId: string, state: string) => ({ runId, state }) as HistoryEvent;

test('an event changes the state of its row alone', () => {
  const before = [run('b', { substate: 'queued' }), run('a')];
  const after = withEvents(before, [event('b', 'RUNNING.executing')]);
  expect(after[0]).toEqual(run('b', { state: 'RUNNING', substate: 'executing' }));
  expect(after[1]).toBe(before[1]);
  expect(withEvents(after, [event('b', 'COMPLETE')])[0]).toEqual(run('b', { state: 'COMPLETE' }));
  expect(withEvents(before, [event('x', 'COMPLETE')])).toBe(before);
});

test('the newest replace what they are about, and nothing older is lost', () => {
  const before = [run('c'), run('b'), run('a')];
  const newest = [run('d'), run('c', { state: 'RUNNING' })];
  expect(withNewest(before, newest, 'c').map(({ runId, state }) => `${runId} ${state}`)).toEqual([
    'd PENDING',
    'c RUNNING',
    'b PENDING',
    'a PENDING',
  ]);
});

test('what the newest do not reach down to stays', () => {
  const ids = (downTo: string) =>
    withNewest([run('c'), run('a')], [run('d')], downTo).map(({ runId }) => runId);
  expect(ids('b')).toEqual(['d', 'a']);
  expect(ids('')).toEqual(['d']);
});

test('a list that holds no more of its kind becomes empty', () => {
  expect(withNewest([run('a')], [], '')).toEqual([]);
});
