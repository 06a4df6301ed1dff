import fc from 'fast-check';
import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { makeDeadlines } from './deadlines.ts';

type Step = { set: string; inMs: number | undefined } | { advance: number };

test('each deadline is told once, at its time and in order, whatever was replaced or cleared', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ set: name, inMs: fc.option(fc.nat(50), { nil: undefined }) }),
    fc.record({ advance: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = manualClock();
      const told: { name: string; at: number }[] = [];
      const expected = new Map<string, number>();
      const deadlines = makeDeadlines(clock, (due) => {
        expect(expected.get(due)).toBe(clock.now());
        expected.delete(due);
        told.push({ name: due, at: clock.now() });
      });
      for (const given of [...steps, { advance: 100 }]) {
        if ('advance' in given) clock.advance(given.advance);
        else {
          const dueAt = given.inMs === undefined ? undefined : clock.now() + given.inMs;
          deadlines.set(given.set, dueAt);
          if (dueAt === undefined) expected.delete(given.set);
          else expected.set(given.set, dueAt);
        }
        for (const dueAt of expected.values()) expect(dueAt).toBeGreaterThanOrEqual(clock.now());
        expect(deadlines.size).toBe(expected.size);
      }
      expect(expected.size).toBe(0);
      expect(told.map(({ at }) => at)).toEqual(told.map(({ at }) => at).sort((a, b) => a - b));
    }),
    { numRuns: 500 },
  );
});

test('a deadline that is set while another is told is told in its turn', () => {
  const clock = manualClock();
  const told: string[] = [];
  const deadlines = makeDeadlines(clock, (name) => {
    told.push(`${name} ${clock.now()}`);
    if (name === 'a') deadlines.set('b', clock.now() + 5);
    if (name === 'b') deadlines.set('a', clock.now());
    if (told.length > 4) deadlines.set('a', undefined);
  });
  deadlines.set('a', 10);
  clock.advance(12);
  expect(told).toEqual(['a 10']);
  clock.advance(3);
  expect(told).toEqual(['a 10', 'b 15', 'a 15']);
});

test('one timer serves them all, and none is left when nothing is due', () => {
  const clock = manualClock();
  let armed = 0;
  const counting = {
    ...clock,
    setTimeout(callback: () => void, ms: number) {
      armed++;
      const timer = clock.setTimeout(() => {
        armed--;
        callback();
      }, ms);
      return {
        cancel() {
          armed--;
          timer.cancel();
        },
      };
    },
  };
  const deadlines = makeDeadlines(counting, () => {});
  for (let i = 0; i < 100; i++) deadlines.set(`r${i}`, 100 - i);
  expect(armed).toBe(1);
  for (let i = 0; i < 100; i++) deadlines.set(`r${i}`, undefined);
  expect([armed, deadlines.size]).toEqual([0, 0]);
});

test('nothing is told after it was stopped', () => {
  const clock = manualClock();
  const told: string[] = [];
  const deadlines = makeDeadlines(clock, (name) => void told.push(name));
  deadlines.set('a', 5);
  deadlines.stop();
  clock.advance(10);
  expect(told).toEqual([]);
  expect(deadlines.size).toBe(0);
});
