import { expect, test } from 'vitest';
import { makeIds, seededRandom, systemRandom } from './random.ts';

const draw = (seed: string, n = 5) => {
  const random = seededRandom(seed);
  return Array.from({ length: n }, () => random.float());
};

test('the same seed draws the same, another seed another', () => {
  expect(draw('a')).toEqual(draw('a'));
  expect(draw('a')).not.toEqual(draw('b'));
});

test('a fork is not moved by what its parent draws', () => {
  const [a, b] = [seededRandom(1), seededRandom(1)];
  b.float();
  expect(a.fork('x').float()).toBe(b.fork('x').float());
  expect(a.fork('x').float()).not.toBe(a.fork('y').float());
});

test.each([seededRandom(7), systemRandom])('numbers are spread over [0, 1)', (random) => {
  const drawn = Array.from({ length: 2_000 }, () => random.float());
  expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
  for (const part of [0, 1, 2, 3]) {
    expect(drawn.filter((value) => Math.floor(value * 4) === part).length).toBeGreaterThan(350);
  }
});

test('ids made later sort after those made earlier, and are names that are let in', () => {
  const ids = makeIds(seededRandom(1));
  const walls = [0, 1, 999, 1_000, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000];
  const made = walls.map((wall) => ids.sortable(wall));
  expect(made.toSorted()).toEqual(made);
  expect(made.every((id) => /^[0-9a-hjkmnp-tv-z]{16}$/.test(id))).toBe(true);
});

test('ten thousand ids of one millisecond are all different', () => {
  const ids = makeIds(seededRandom(1));
  const made = Array.from({ length: 10_000 }, () => ids.sortable(5));
  expect(new Set(made).size).toBe(10_000);
});

test.each([1, 7, 10, 16, 40])('a random id of %s characters has so many', (size) => {
  expect(makeIds(systemRandom).random(size)).toMatch(new RegExp(`^[0-9a-z]{${size}}$`));
});
