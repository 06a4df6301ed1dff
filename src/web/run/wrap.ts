/** Where the last screenful of a log begins when long lines take several rows. Pure. */

const TAB_COLUMNS = 8;

/** How many rows a line takes; wide characters are taken for two columns. */
export function rowsOf(text: string, columns: number): number {
  let used = 0;
  for (const character of text) {
    if (character === '\t') used += TAB_COLUMNS;
    else used += character.codePointAt(0)! < 0x1100 ? 1 : 2;
  }
  return Math.max(1, Math.ceil(used / columns));
}

/** The first of the last lines that fit into so many rows; at least the last line itself. */
export function lastScreen(
  lines: number,
  rows: number,
  columns: number,
  textOf: (line: number) => string,
): number {
  let free = rows;
  let first = lines;
  while (first > 0) {
    free -= rowsOf(textOf(first - 1), columns);
    if (free < 0) break;
    first -= 1;
  }
  return Math.max(0, Math.min(first, lines - 1));
}
