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

test('qualifiers that the master knows are asked of it', () => {
  const query = parseQuery('state:failed,aborted slave:s7 job:j1 name:"unit tests" more', NOW);
  expect(pathOf(query)).toBe('/api/runs?state=FAILED%2CABORTED&slave=s7&job=j1&name=unit+tests');
  expect(query.words).toEqual(['more']);
  expect(query.faults).toEqual([]);
});

test('the rest is looked at here', () => {
  expect(fitsQuery(run, parseQuery('since:1h tests EXEC', NOW))).toBe(true);
  expect(fitsQuery(run, parseQuery('since:15m', NOW))).toBe(false);
  expect(fitsQuery(run, parseQuery('since:2026-11-21T11:00:00Z', NOW))).toBe(true);
  expect(fitsQuery(run, parseQuery('"unit tests"', NOW))).toBe(true);
  expect(fitsQuery(run, parseQuery('exit:1', NOW))).toBe(false);
  expect(fitsQuery(run, parseQuery('state:running', NOW))).toBe(false);
});

test('what cannot be read is said', () => {
  const { faults } = parseQuery('state:done since:later colour:red exit:x', NOW);
  expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
    'state:',
    'since:',
    'colour:',
    'exit:',
  ]);
});
