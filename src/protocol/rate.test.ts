import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { makeRate } from './rate.ts';

test('a burst passes once, then only what time gives back', () => {
  const clock = manualClock();
  const take = makeRate(clock, 10, 5);

  expect([1, 1, 1, 1, 1, 1].map(take)).toEqual([true, true, true, true, true, false]);
  clock.advance(200);
  expect([1, 1, 1].map(take)).toEqual([true, true, false]);
});

test('rest saves up no more than one burst', () => {
  const clock = manualClock();
  const take = makeRate(clock, 10, 5);
  clock.advance(3_600_000);

  expect(take(6)).toBe(false);
  expect(take(5)).toBe(true);
});

test('what may not pass is not taken', () => {
  const take = makeRate(manualClock(), 10, 5);

  expect([9, 5].map(take)).toEqual([false, true]);
});
