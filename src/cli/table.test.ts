import { expect, test } from 'vitest';
import { formatFields, formatTable } from './table.ts';

const COLUMNS = [
  { title: 'NAME', text: ({ name }: Row) => name },
  { title: 'N', text: ({ n }: Row) => n, align: 'right' as const },
  { title: 'NOTE', text: ({ note }: Row) => note },
];

interface Row {
  name: string;
  n: string;
  note: string;
}

test('columns are as wide as their widest cell, and numbers stand under each other', () => {
  const rows = [
    { name: 'a', n: '1', note: 'x' },
    { name: 'größer', n: '100', note: '' },
  ];
  expect(formatTable(COLUMNS, rows)).toBe(
    ['NAME      N  NOTE', 'a         1  x', 'größer  100  -', ''].join('\n'),
  );
});

test('the last column is cut where the screen ends', () => {
  const rows = [{ name: 'a', n: '1', note: 'x'.repeat(50) }];
  const lines = formatTable(COLUMNS, rows, 30).split('\n');
  expect(lines[1]).toHaveLength(30);
  expect(lines[1]).toMatch(/x…$/);
});

test('a name cannot leave its cell', () => {
  const rows = [{ name: 'a\nb\u001b[2J', n: '1', note: '' }];
  expect(formatTable(COLUMNS, rows).split('\n')[1]).toBe('a b   1  -');
});

test('colour goes around the padding and moves nothing', () => {
  const painted = [{ ...COLUMNS[0]!, paint: (cell: string) => `<${cell}>` }, COLUMNS[1]!];
  const rows = [{ name: 'ab', n: '1', note: '' }];
  expect(formatTable(painted, rows)).toBe('NAME  N\n<ab  >  1\n');
});

test('fields without a value are left out', () => {
  const fields = [
    ['run', 'x'],
    ['exit code', undefined],
    ['slave', 's'],
  ] as const;
  expect(formatFields(fields)).toBe('run    x\nslave  s\n');
});
