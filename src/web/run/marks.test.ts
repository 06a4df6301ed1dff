import { expect, test } from 'vitest';
import { joined, timeOf } from './marks.ts';
import type { Marks } from './marks.ts';

const marks: Marks = [
  [10, 1000],
  [20, 2000],
  [40, 4000],
];

test('a byte came with the last mark before it, and before the first at a time nobody knows', () => {
  const times = [0, 9, 10, 19, 20, 39, 40, 1e9].map((offset) => timeOf(marks, offset));
  expect(times).toEqual([undefined, undefined, 1000, 1000, 2000, 2000, 4000, 4000]);
  expect(timeOf([], 0)).toBeUndefined();
});

test('what is told later goes on where it begins', () => {
  const more: Marks = [
    [40, 4000],
    [50, 5000],
  ];
  expect(joined(marks, more)).toEqual([...marks, [50, 5000]]);
  expect(joined(marks, [])).toEqual(marks);
  expect(joined([], more)).toEqual(more);
  expect(joined(marks, [[40, 4000]])).toEqual(marks);
  // An answer that was overtaken by the next one.
  expect(joined(marks, [[10, 1000]])).toEqual(marks);
});
