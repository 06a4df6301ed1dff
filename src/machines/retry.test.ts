import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ending } from '../protocol/run.ts';
import { retryDelayMs, retryIsDue } from './retry.ts';
import type { RetryPolicy } from './retry.ts';

const policy: RetryPolicy = { retries: 1, backoffMs: 100, backoffMaxMs: 1_000 };
const exited = (code: number): Ending => ({ kind: 'exited', code });
const killed: Ending = { kind: 'signalled', signal: 'SIGKILL' };
const slow: Ending = { kind: 'timedOut', which: 'run' };
const quiet: Ending = { kind: 'timedOut', which: 'output' };
const broken: Ending = { kind: 'failed', code: 'git.fetch', why: '' };

test.each<[string, Partial<RetryPolicy>, Ending, boolean]>([
  ['by default a code but 0', {}, exited(1), true],
  ['by default not a success', {}, exited(0), false],
  ['by default a signal', {}, killed, true],
  ['by default a failed mechanism', {}, broken, true],
  ['by default no timeout of the run', {}, slow, false],
  ['by default no timeout of output', {}, quiet, false],
  ['never an abort', { reasons: ['aborted'] }, { kind: 'aborted' }, false],
  ['never a loss', { reasons: ['lost'] }, { kind: 'lost', why: '' }, false],
  ['a named code', { exitCodes: [75] }, exited(75), true],
  ['even 0 where it is named', { exitCodes: [0] }, exited(0), true],
  ['not a code beside the named ones', { exitCodes: [75] }, exited(1), false],
  ['no signal where only codes are named', { exitCodes: [75] }, killed, false],
  ['no mechanism where only codes are named', { exitCodes: [75] }, broken, false],
  ['no code where only reasons are named', { reasons: ['SIGKILL'] }, exited(1), false],
  ['a named signal', { reasons: ['SIGKILL'] }, killed, true],
  ['not another signal', { reasons: ['SIGSEGV'] }, killed, false],
  ['a named error', { reasons: ['git.fetch'] }, broken, true],
  ['not another error', { reasons: ['bundle.digest'] }, broken, false],
  ['a named timeout', { reasons: ['timeout.run'] }, slow, true],
  ['not the other timeout', { reasons: ['timeout.run'] }, quiet, false],
  ['codes and reasons together', { exitCodes: [75], reasons: ['SIGKILL'] }, killed, true],
  ['nothing without retries', { retries: 0 }, exited(1), false],
])('retried is %s', (_, own, ending, due) => {
  expect(retryIsDue({ failures: 0 }, { ...policy, ...own }, ending)).toBe(due);
});

test('tries are one more than retries', () => {
  const patient = { ...policy, retries: 3 };
  const due = [0, 1, 2, 3, 4].map((failures) => retryIsDue({ failures }, patient, exited(1)));
  expect(due).toEqual([true, true, true, false, false]);
});

test('the delay doubles with each failure up to its limit', () => {
  const delays = [0, 1, 2, 3, 4, 99].map((failures) => retryDelayMs(policy, failures, 1));
  expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test('the delay is between half and all of its full length, for every chance', () => {
  fc.assert(
    fc.property(
      fc.nat(200),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (failures, jitter) => {
        const full = retryDelayMs(policy, failures, 1);
        const delay = retryDelayMs(policy, failures, jitter);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2));
        expect(delay).toBeLessThanOrEqual(full);
      },
    ),
  );
});
