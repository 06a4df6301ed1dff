/** What is seen of a log: which output, from where on, and what its keys do. */
import { createEffect, createMemo, createSignal, on } from 'solid-js';
import { useKeys } from '../base/keys.ts';
import { query, setQuery } from '../base/router.ts';
import { announce } from '../base/use.ts';
import { useFinder } from './log-finder.ts';
import { useLogRows } from './log-rows.ts';
import { useLog } from './log-source.ts';
import { useLogTimes } from './log-times.ts';
import { isOver } from './source.ts';
import type { RunSource } from './source.ts';

export const STREAMS = ['combined', 'stdout', 'stderr'];

export type LogView = ReturnType<typeof useLogView>;

export function useLogView(source: RunSource) {
  const run = () => source.run();
  const stream = () => STREAMS.find((one) => one === query('stream')) ?? 'combined';
  const attempt = () => Number(query('attempt') ?? run()?.attempt ?? 0);
  const wanted = () =>
    attempt() > 0 ? { id: source.id, stream: stream(), attempt: attempt() } : undefined;
  const log = useLog(wanted);
  const times = useLogTimes(log, wanted);
  const lines = createMemo(() => (log.version(), log.text().lines));
  const { rows, wraps, wrap, showLine } = useLogRows(log, lines, times.isShown);
  const linked = createMemo(() => linesOf(query('l')));
  const [isWide, setWide] = createSignal(false);
  const following = useFollowing(rows, lines, () => isOver(run()));
  const finder = useFinder(
    log,
    () => query('find') ?? '',
    (line) => {
      following.leave();
      showLine(line);
    },
  );
  let isPlaced = false;
  createEffect(() => {
    const first = linked()?.from;
    if (isPlaced || first === undefined || lines() < first) return;
    isPlaced = true;
    showLine(first - 1);
  });
  const view = {
    ...following,
    log,
    times,
    rows,
    lines,
    linked,
    finder,
    stream,
    attempt,
    wraps,
    isWide,
    setWide,
    rewrap: () => {
      wrap(!wraps());
      following.stay();
    },
    showTimes: (on: boolean) => {
      times.show(on);
      following.stay();
    },
    goToMatch: (by: 1 | -1) => finder.move(by, rows.firstSeen()),
    /** Puts a line into the address, or all lines from the one that is there. */
    pick(line: number, isEnd: boolean) {
      const from = isEnd ? (linked()?.from ?? line) : line;
      const [low, high] = [Math.min(from, line), Math.max(from, line)];
      setQuery({ l: low === high ? String(low) : `${low}-${high}` });
    },
  };
  useLogKeys(view);
  return view;
}

/** How the end is followed: new lines pull the view along, never while somebody reads further up. */
function useFollowing(
  rows: ReturnType<typeof useLogRows>['rows'],
  lines: () => number,
  isDone: () => boolean,
) {
  const [follows, setFollows] = createSignal(query('l') === undefined && !isDone());
  const [seenLines, setSeenLines] = createSignal(0);
  const stay = () => follows() && rows.scrollTo(lines());
  createEffect(
    on(lines, (now) => {
      if (!follows()) return;
      stay();
      setSeenLines(now);
    }),
  );
  return {
    follows,
    follow(on: boolean) {
      setFollows(on);
      setSeenLines(lines());
      stay();
      announce(on ? 'Following the log.' : 'No longer following.');
    },
    /** To the end again, where that is followed, after what is seen has changed its size. */
    stay,
    /** Somebody goes elsewhere. */
    leave() {
      setFollows(false);
      setSeenLines(lines());
    },
    /** Lines that came since who reads left the end. */
    missed: () => (follows() ? 0 : Math.max(0, lines() - seenLines())),
    onScroll: () => {
      rows.read();
      if (rows.isAtEnd()) setSeenLines(lines());
      else if (follows() && !isDone()) setFollows(false);
    },
  };
}

function useLogKeys(view: LogView): void {
  const { rows, lines, finder } = view;
  const goToError = (by: 1 | -1) => finder.moveToError(by, rows.firstSeen());
  useKeys('Log', [
    { key: 'f', does: 'follow, or stop', act: () => view.follow(!view.follows()) },
    { key: 'n', does: 'next match', act: () => view.goToMatch(1) },
    { key: 'Shift+N', does: 'match before', act: () => view.goToMatch(-1) },
    { key: 'e', does: 'next error', act: () => goToError(1) },
    { key: 'Shift+E', does: 'error before', act: () => goToError(-1) },
    { key: 'w', does: 'wrap long lines, or not', act: () => view.rewrap() },
    {
      key: 't',
      does: 'show when lines were written, or not',
      act: () => view.showTimes(!view.times.isShown()),
    },
    { key: 'z', does: 'full screen', act: () => view.setWide((before) => !before) },
    {
      key: 'Home',
      does: 'to the first line',
      act: () => {
        view.leave();
        rows.scrollTo(0);
      },
    },
    { key: 'End', does: 'to the last line', act: () => rows.scrollTo(lines()) },
  ]);
}

export interface LinkedLines {
  from: number;
  to: number;
}

/** `1200` or `1200-1240`, from 1. */
function linesOf(text: string | undefined): LinkedLines | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text ?? '');
  if (!match) return undefined;
  return { from: Number(match[1]), to: Number(match[2] ?? match[1]) };
}
