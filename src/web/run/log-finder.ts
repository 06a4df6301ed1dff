/** Finds a text in a log, a part at a time, so that the page goes on meanwhile. */
import { createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js';
import { after } from '../base/clock.ts';
import type { LogSource } from './log-source.ts';
import type { LogText } from './log-text.ts';

const LINES_AT_ONCE = 50_000;
/** More than these are counted as so many. */
const MATCHES_MAX = 100_000;
const ERROR = 'error';

/** `onMove` is told of the line to go to. */
export function useFinder(log: LogSource, text: () => string, onMove: (line: number) => void) {
  const wanted = createMemo(text);
  /** Somebody waits for the first match. */
  let isAwaited = false;
  const [matches, setMatches] = createSignal<readonly number[]>([]);
  const [at, setAt] = createSignal<number>();
  const [isDone, setDone] = createSignal(true);
  let searched = 0;
  let callOff = () => {};

  const goTo = (line: number) => {
    isAwaited = false;
    setAt(line);
    onMove(line);
  };
  const search = () => {
    const all = log.text();
    const to = Math.min(searched + LINES_AT_ONCE, all.lines);
    // The last line may still grow.
    const whole = to === all.lines && !log.isComplete() ? Math.max(searched, to - 1) : to;
    const found = all.find(wanted(), searched, whole);
    if (found.length > 0) setMatches((before) => [...before, ...found].slice(0, MATCHES_MAX));
    searched = whole;
    if (isAwaited && found.length > 0) goTo(found[0]!);
    const isAll = to >= all.lines;
    setDone(isAll);
    if (!isAll) callOff = after(0, search);
  };

  createEffect(
    on([wanted, log.text], () => {
      callOff();
      searched = 0;
      setMatches([]);
      setAt(undefined);
      isAwaited = false;
    }),
  );
  createEffect(
    on([wanted, log.version, log.isComplete], () => {
      callOff();
      if (wanted() !== '') callOff = after(0, search);
    }),
  );
  onCleanup(() => callOff());

  return {
    count: () => matches().length,
    isDone,
    /** The line that was gone to. */
    at,
    /** Its place among the matches, from 1. */
    place: () => matches().indexOf(at() ?? -1) + 1,
    /** To the next line from there on, or before it, that speaks of an error. */
    moveToError(by: 1 | -1, seen: number): void {
      const from = at() ?? (by === 1 ? seen - 1 : seen);
      const line = nearest(log.text(), ERROR, from, by);
      if (line !== undefined) goTo(line);
    },
    /** To the next match, or the one before; the first time, from the line that is in sight. */
    move(by: 1 | -1, seen: number): void {
      const all = matches();
      isAwaited = all.length === 0;
      if (isAwaited) return;
      const from = at() ?? (by === 1 ? seen - 1 : seen);
      const next = by === 1 ? all.find((line) => line > from) : all.findLast((line) => line < from);
      goTo(next ?? (by === 1 ? all[0]! : all.at(-1)!));
    },
  };
}

function nearest(text: LogText, wanted: string, line: number, by: 1 | -1): number | undefined {
  let [from, to] = by === 1 ? [line + 1, text.lines] : [0, line];
  while (from < to) {
    const [low, high] =
      by === 1
        ? [from, Math.min(to, from + LINES_AT_ONCE)]
        : [Math.max(from, to - LINES_AT_ONCE), to];
    const found = text.find(wanted, low, high);
    if (found.length > 0) return by === 1 ? found[0] : found.at(-1);
    if (by === 1) from = high;
    else to = low;
  }
  return undefined;
}
