import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  OUTCOMES,
  broken,
  checkDetail,
  compareOutcomes,
  outcomeOf,
  store,
  updateOutcome,
  worstOutcome,
} from './check-detail.ts';

describe('T17: a CheckDetail', () => {
  test('needs inspection until an outcome is given', () => {
    expect(checkDetail({ item: 'x' })).toEqual({
      item: 'x',
      outcome: 'NEEDS_INSPECTION',
      output: [],
      keyvals: {},
    });
  });

  test('has an outcome only ever raised, in the order of priority', () => {
    const outcome = fc.constantFrom(...OUTCOMES);
    fc.assert(
      fc.property(outcome, fc.array(outcome), (first, more) => {
        let detail = checkDetail({ item: 'x', outcome: first });
        for (const next of more) detail = updateOutcome(detail, next);
        expect(detail.outcome).toBe(worstOutcome([first, ...more]));
      }),
    );
    expect(OUTCOMES.join(' < ')).toBe(
      'PASSED < INFO < FAILED < NEEDS_INSPECTION < ABORTED < CRASHED',
    );
    expect(compareOutcomes('INFO', 'FAILED')).toBeLessThan(0);
  });

  test('is left as it is by no outcome', () => {
    const detail = checkDetail({ item: 'x', outcome: 'INFO' });
    expect(updateOutcome(detail, undefined)).toBe(detail);
    expect(updateOutcome(detail, null)).toBe(detail);
  });

  test.each(['passed', 'OK', '', 3])('refuses %j as an outcome', (outcome) => {
    expect(() => updateOutcome(checkDetail({ item: 'x' }), outcome)).toThrow(/^task\.outcome/);
    expect(() => checkDetail({ item: 'x', outcome: outcome as 'INFO' })).toThrow(/^task\.outcome/);
  });

  test('suggests the outcome that was meant', () => {
    expect(() => outcomeOf('pased')).toThrow(/did you mean "PASSED"/);
  });

  test('is broken when it is ABORTED or CRASHED, and only then', () => {
    const found = OUTCOMES.filter((outcome) => broken(checkDetail({ item: 'x', outcome })));
    expect(found).toEqual(['ABORTED', 'CRASHED']);
  });

  test('keeps stored text as lines and prints it', () => {
    const printed: string[] = [];
    const before = checkDetail({ item: 'x', output: ['one'] });
    const after = store(before, 'two\nthree', (line) => printed.push(line));
    expect(after.output).toEqual(['one', 'two', 'three']);
    expect(before.output).toEqual(['one']);
    expect(printed).toEqual(['two\nthree']);
  });
});
