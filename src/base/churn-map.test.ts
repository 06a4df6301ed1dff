import { expect, test } from 'vitest';
import { ChurnMap } from './churn-map.ts';

test('it is a map, in the order of entry', () => {
  const map = new ChurnMap<string, number>();
  const like = new Map<string, number>();
  for (const one of [map, like]) one.set('b', 1).set('a', 2).set('c', 3).set('a', 4);
  expect([map.delete('b'), map.delete('b')]).toEqual([like.delete('b'), like.delete('b')]);
  for (const one of [map, like]) one.set('b', 5);
  const seen: unknown[] = [];
  map.forEach((value, key, whole) => seen.push([key, value, whole.size]));
  const seenLike: unknown[] = [];
  like.forEach((value, key, whole) => seenLike.push([key, value, whole.size]));
  expect([[...map], [...map.keys()], [...map.values()], [...map.entries()], seen]).toEqual([
    [...like],
    [...like.keys()],
    [...like.values()],
    [...like.entries()],
    seenLike,
  ]);
  expect([map.size, map.get('a'), map.get('x'), map.has('a'), map.has('x')]).toEqual([
    3,
    4,
    undefined,
    true,
    false,
  ]);
});

test('an entry that is deleted while somebody goes through it is passed over', () => {
  const map = new ChurnMap<string, number>().set('a', 1).set('b', 2).set('c', 3);
  const seen: number[] = [];
  for (const [, value] of map) {
    seen.push(value);
    map.delete('b');
  }
  expect(seen).toEqual([1, 3]);
});
