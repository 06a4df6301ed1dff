/** Which rows of a log are in sight: one a line or, wrapped, as many as a line takes. */
import { createMemo, createSignal } from 'solid-js';
import { useMedia } from '../base/use.ts';
import { useWindow } from '../parts/table.tsx';
import type { useLog } from './log-source.ts';
import { lastScreen } from './wrap.ts';

const ROW = 20;
/** Of the columns of numbers and times, on a narrow page too, and of one character: pixels. */
const NUMBER_WIDTH = 82;
const TIME_WIDTH = { wide: 106, narrow: 60 };
const COLUMN_WIDTH = 7.6;
const COLUMNS_MIN = 10;

export function useLogRows(
  log: ReturnType<typeof useLog>,
  lines: () => number,
  hasTimes: () => boolean,
) {
  const isNarrow = useMedia('(max-width: 720px)');
  const besideWidth = () =>
    NUMBER_WIDTH + (hasTimes() ? TIME_WIDTH[isNarrow() ? 'narrow' : 'wide'] : 0);
  const [wraps, setWraps] = createSignal(false);
  const rows = useWindow({
    // Wrapped, one scrolls from line to line, until the last screenful.
    count: () => (wraps() ? endOfWrapped() : lines()),
    rowHeight: ROW,
  });
  const plainOf = (line: number) =>
    log
      .text()
      .draw(line, line + 1)[0]!
      .map(({ text }) => text)
      .join('');
  const endOfWrapped = createMemo(() => {
    if (!wraps()) return lines();
    const seen = rows.height() / ROW;
    const columns = Math.floor((rows.width() - besideWidth()) / COLUMN_WIDTH);
    const first = lastScreen(lines(), Math.floor(seen), Math.max(COLUMNS_MIN, columns), plainOf);
    return first + seen;
  });
  return {
    rows,
    wraps,
    /** Leaves the first line in sight where it is. */
    wrap: (on: boolean) => {
      const first = rows.firstSeen();
      setWraps(on);
      rows.scrollTo(first);
    },
    /** To a line that somebody looks for. */
    showLine: (line: number) => rows.scrollTo(line, wraps() ? 'start' : 'center'),
  };
}
