import { expect, test } from 'vitest';
import { lastScreen, rowsOf } from './wrap.ts';

test.each([
  ['', 1],
  ['1234567890', 1],
  ['12345678901', 2],
  ['\t12', 1],
  ['\t123', 2],
  ['漢字漢字漢', 1],
  ['漢字漢字漢字', 2],
])('%j takes %i rows of ten columns', (text, rows) => {
  expect(rowsOf(text, 10)).toBe(rows);
});

test('the last screen holds what fits, and the last line at least', () => {
  const lines = ['a', 'b', 'c'.repeat(25), 'd'];
  const first = (rows: number) => lastScreen(lines.length, rows, 10, (line) => lines[line]!);
  expect([1, 3, 4, 5, 6, 9].map(first)).toEqual([3, 3, 2, 1, 0, 0]);
  expect(lastScreen(1, 2, 10, () => 'x'.repeat(99))).toBe(0);
  expect(lastScreen(0, 5, 10, () => '')).toBe(0);
});
