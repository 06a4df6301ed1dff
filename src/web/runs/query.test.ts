import { expect, test } from 'vitest';
import type { RunStatus } from '../../protocol/run.ts';
import { fitsQuery, parseQuery, pathOf } from './query.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const run: RunStatus = {
  runId: '1m7ybhfec70g5m26',
  name: 'Unit Tests',
  state: 'FAILED',
  attempt: 1,
  failures: 0,
  lost: 0,
  priority: 0,
  reason: 'slave.exec',
  createdAt: '2026-11-21T11:30:00.000Z',
};

test('all that is typed is asked of the master', () => {
  const query = parseQuery('state:failed,aborted slave:s7 job:j1 name:"unit tests" More', NOW);
  expect(pathOf(query)).toBe(
    '/api/runs?state=FAILED%2CABORTED&slave=s7&job=j1&name=unit+tests&text=more',
  );
  expect(query.faults).toEqual([]);
  expect(pathOf(parseQuery('is:held exit:2 since:1h a "b c"', NOW))).toBe(
    '/api/runs?is=held&exit=2&since=2026-11-21T11%3A00%3A00.000Z&text=a&text=b+c',
  );
  expect(pathOf(parseQuery('ended:badly', NOW))).toBe('/api/runs?ended=badly');
});

test('what left the state that was asked for is shown no longer', () => {
  expect(fitsQuery(run, parseQuery('state:failed', NOW))).toBe(true);
  expect(fitsQuery(run, parseQuery('state:running', NOW))).toBe(false);
  expect(fitsQuery(run, parseQuery('is:queued', NOW))).toBe(false);
  expect(fitsQuery(run, parseQuery('is:held', NOW))).toBe(false);
});

test('what is held is held wherever it stands', () => {
  const hold = { by: 'ann', note: '' };
  const waiting: RunStatus = { ...run, state: 'PENDING', substate: 'backoff', hold };
  expect(fitsQuery(waiting, parseQuery('is:held', NOW))).toBe(true);
  expect(fitsQuery(waiting, parseQuery('is:backoff', NOW))).toBe(true);
  expect(fitsQuery(waiting, parseQuery('is:held state:running', NOW))).toBe(false);
});

test('what cannot be read is said', () => {
  const { faults } = parseQuery('state:done since:later colour:red exit:x ended:so', NOW);
  expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
    'state:',
    'since:',
    'colour:',
    'exit:',
    'ended:',
  ]);
});
