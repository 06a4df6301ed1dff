import { expect, test } from 'vitest';
import { exitStatusOf, exitStatusOfAll } from './exit-status.ts';
import { aRun } from './host-fixture.ts';

test.each([
  [aRun({ exitCode: 0 }), 0],
  [aRun({ exitCode: 3 }), 3],
  [aRun({ exitCode: 143, signal: 'SIGTERM' }), 143],
  [aRun({ state: 'TIMEDOUT', exitCode: undefined as never }), 124],
  [aRun({ state: 'FAILED', exitCode: undefined as never }), 125],
  [aRun({ state: 'UNKNOWN', exitCode: undefined as never }), 125],
  [aRun({ state: 'ABORTED', exitCode: undefined as never }), 130],
])('%o exits with %i', (run, status) => {
  expect(exitStatusOf(run)).toBe(status);
});

test('several runs exit as the first that did not end well', () => {
  const runs = [aRun(), aRun({ state: 'TIMEDOUT' }), aRun({ exitCode: 3 })];
  expect(exitStatusOfAll(runs)).toBe(124);
  expect(exitStatusOfAll([aRun(), aRun()])).toBe(0);
  expect(exitStatusOfAll([])).toBe(0);
});
