/** Finds a text in a log, a part at a time, so that the page goes on meanwhile. */
import { createEffect, createSignal, on, onCleanup } from 'solid-js';
import { after } from '../base/clock.ts';
import type { LogSource } from './log-source.ts';

const LINES_AT_ONCE = 50_000;
/** More than these are counted as so many. */
const MATCHES_MAX = 100_000;

export function useFinder(log: LogSource, wanted: () => string) {
  const [matches, setMatches] = createSignal<readonly number[]>([]);
  const [at, setAt] = createSignal<number>();
  const [isDone, setDone] = createSignal(true);
  let searched = 0;
  let callOff = () => {};

  const search = () => {
    const text = log.text();
    const to = Math.min(searched + LINES_AT_ONCE, text.lines);
    // The last line may still grow.
    const whole = to === text.lines && !log.isComplete() ? Math.max(searched, to - 1) : to;
    const found = text.find(wanted(), searched, whole);
    if (found.length > 0) setMatches((before) => [...before, ...found].slice(0, MATCHES_MAX));
    searched = whole;
    const isAll = to >= text.lines;
    setDone(isAll);
    if (!isAll) callOff = after(0, search);
  };

  createEffect(
    on([wanted, log.text], () => {
      callOff();
      searched = 0;
      setMatches([]);
      setAt(undefined);
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
    /** The next match, or the one before; the first time, from the line that is in sight. */
    move(by: 1 | -1, seen: number): number | undefined {
      const all = matches();
      if (all.length === 0) return undefined;
      const from = at() ?? (by === 1 ? seen - 1 : seen);
      const next = by === 1 ? all.find((line) => line > from) : all.findLast((line) => line < from);
      const line = next ?? (by === 1 ? all[0]! : all.at(-1)!);
      setAt(line);
      return line;
    },
  };
}
