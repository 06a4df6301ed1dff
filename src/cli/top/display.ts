/** A terminal's second screen, drawn by rows: only those that changed are sent, and all at once. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';
/** Terminals that know it show nothing until the end has come; others pass it over. */
const SYNC_BEGIN = '\u001b[?2026h';
const SYNC_END = '\u001b[?2026l';

export interface Display {
  draw: (lines: readonly string[]) => void;
  /** Forgets what is there: after a change of size nothing is where it was. */
  reset: () => void;
  leave: () => void;
}

export function openDisplay(print: (text: string) => void): Display {
  let shown: readonly string[] = [];
  print(ENTER);
  return {
    draw(lines) {
      const text = changes(shown, lines);
      shown = lines;
      if (text !== '') print(`${SYNC_BEGIN}${text}${SYNC_END}`);
    },
    reset() {
      shown = [];
      print('\u001b[2J');
    },
    leave: () => print(LEAVE),
  };
}

/** Moves to each row that is another now, and writes it anew. */
export function changes(before: readonly string[], after: readonly string[]): string {
  let text = '';
  for (let row = 0; row < Math.max(before.length, after.length); row++) {
    const line = after[row] ?? '';
    if (before[row] !== line) text += `\u001b[${row + 1};1H${line}\u001b[K`;
  }
  return text;
}
