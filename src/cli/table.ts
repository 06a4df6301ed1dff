import { oneLine } from './sanitise.ts';

export interface Column<Row> {
  title: string;
  text: (row: Row) => string;
  /** Numbers stand under each other. */
  align?: 'right';
  /** Colours a cell that is padded already. */
  paint?: (cell: string, row: Row) => string;
}

const GAP = '  ';

/** Lines of columns, a title above each; strangers' text is made safe, the last column is cut. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Infinity,
): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.text(row)) || '-'));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => widthOf(line[index]!))),
  );
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + GAP.length, 0);
  const last = Math.max(8, width - before);
  const lines = [
    columns.map(({ title, align }, index) => padded(title, widths[index]!, align)),
    ...rows.map((row, at) =>
      columns.map(({ align, paint }, index) => {
        const isLast = index === columns.length - 1;
        const text = isLast ? cut(cells[at]![index]!, last) : cells[at]![index]!;
        const cell = padded(text, isLast ? 0 : widths[index]!, align);
        return paint ? paint(cell, row) : cell;
      }),
    ),
  ];
  return lines.map((line) => `${line.join(GAP).trimEnd()}\n`).join('');
}

/** `name   value` lines; those without a value are left out. */
export function formatFields(fields: readonly (readonly [string, string | undefined])[]): string {
  const there = fields.filter((field): field is readonly [string, string] => !!field[1]);
  const width = Math.max(0, ...there.map(([name]) => name.length));
  return there.map(([name, value]) => `${name.padEnd(width)}${GAP}${value}\n`).join('');
}

export function cut(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

function widthOf(text: string): number {
  return Array.from(text).length;
}

function padded(text: string, width: number, align: 'right' | undefined): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? space + text : text + space;
}
