import { expect, test } from 'vitest';
import { FAULT_KINDS } from '../scenario.ts';
import { missedOf, tableOf } from './strikes.ts';

const hits = {
  'net.cut|PENDING.assigned|assign': 2,
  'net.cut|PENDING.assigned|hello': 3,
  'net.cut|RUNNING.executing|hello': 5,
};

test('each side of the matrix counts the strikes, and how many kinds of the third came with them', () => {
  const lines = tableOf(hits);
  const rows = lines.filter((line) => line.startsWith('net.cut ')).map((row) => row.split(/\s+/));
  expect(rows).toEqual([
    ['net.cut', '-', '-', '-', '5/2', '-', '-', '5/1', '-', '-'],
    ['net.cut', '2/1', '8/2'],
  ]);
  expect(lines.at(-1)).toBe(
    `fault x run state x message: 3 combinations were met, of ${FAULT_KINDS.length} x 9 x 2`,
  );
});

test('what never came together is named, but for what cannot', () => {
  const [line] = missedOf(hits);
  expect(line).toContain('net.cut on RUNNING.stopping');
  expect(line).toContain('master.kill on PENDING.held');
  expect(line).not.toContain('net.cut on PENDING.assigned');
  expect(line).not.toContain('net.cut on PENDING.held');
});
