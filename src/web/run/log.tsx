/** What a run wrote: any length, in its colours, followed as it grows, searched, linked by line. */
import {
  For,
  Show,
  createEffect,
  createMemo,
  createSignal,
  on,
  onCleanup,
  onMount,
} from 'solid-js';
import { ask, segment } from '../base/api.ts';
import { after } from '../base/clock.ts';
import { download } from '../base/download.ts';
import { useKeys } from '../base/keys.ts';
import { query, setQuery } from '../base/router.ts';
import { bytes, count } from '../base/text.ts';
import { announce, attempt as tryTo } from '../base/use.ts';
import { Fault } from '../parts/basics.tsx';
import type { Piece, Style } from './ansi.ts';
import { useLogRows } from './log-rows.ts';
import { useLog } from './log-source.ts';
import { useFinder } from './log-finder.ts';
import { isOver } from './source.ts';
import type { RunSource } from './source.ts';
import '../styles/log.css';

const STREAMS = ['combined', 'stdout', 'stderr'];

export default function LogTab(props: { source: RunSource }) {
  const view = useLogView(props.source);
  const { log, rows, finder, wraps } = view;
  const drawn = createMemo(() => {
    log.version();
    const first = wraps() ? rows.firstSeen() : rows.first();
    return log
      .text()
      .draw(first, rows.last())
      .map((pieces, index) => ({ pieces, line: first + index }));
  });
  return (
    <section class="panel log" classList={{ 'is-wide': view.isWide() }} aria-label="Log">
      <Head source={props.source} view={view} />
      <Fault error={log.error()} />
      <div
        class="log-scroll"
        classList={{ 'is-wrapped': wraps() }}
        tabIndex={0}
        role="region"
        aria-label="Lines"
        ref={(element) => onMount(() => rows.bind(element))}
        onScroll={view.onScroll}
      >
        <div class="log-lines" style={{ height: `${rows.total()}px` }}>
          <For each={drawn()}>
            {({ pieces, line }) => (
              <Line
                pieces={pieces}
                number={line + 1}
                y={rows.yOf(wraps() ? rows.firstSeen() : line)}
                isLinked={isBetween(view.linked(), line + 1)}
                isFound={finder.at() === line}
                onPick={(isEnd) => view.pick(line + 1, isEnd)}
              />
            )}
          </For>
        </div>
        <Show when={view.lines() === 0}>
          <p class="empty">{emptyText(view.attempt(), log.isComplete())}</p>
        </Show>
      </div>
      <Show when={view.missed() > 0}>
        <button class="log-new is-first" onClick={() => view.follow(true)}>
          {count(view.missed())} new lines ↓
        </button>
      </Show>
    </section>
  );
}

type LogView = ReturnType<typeof useLogView>;

/** What is shown of the log, and how it follows. */
function useLogView(source: RunSource) {
  const run = () => source.run();
  const stream = () => STREAMS.find((one) => one === query('stream')) ?? 'combined';
  const attempt = () => Number(query('attempt') ?? run()?.attempt ?? 0);
  const log = useLog(() =>
    attempt() > 0 ? { id: source.id, stream: stream(), attempt: attempt() } : undefined,
  );
  const lines = createMemo(() => (log.version(), log.text().lines));
  const { rows, wraps, wrap, showLine } = useLogRows(log, lines);
  const linked = createMemo(() => linesOf(query('l')));
  const [follows, setFollows] = createSignal(query('l') === undefined && !isOver(run()));
  const [isWide, setWide] = createSignal(false);
  const [seenLines, setSeenLines] = createSignal(0);
  const finder = useFinder(
    log,
    () => query('find') ?? '',
    (line) => goTo(line),
  );

  // New lines pull the view along, and never while somebody reads further up.
  createEffect(
    on(lines, (now) => {
      if (!follows()) return;
      rows.scrollTo(now);
      setSeenLines(now);
    }),
  );
  let isPlaced = false;
  createEffect(() => {
    const first = linked()?.from;
    if (isPlaced || first === undefined || lines() < first) return;
    isPlaced = true;
    showLine(first - 1);
  });
  const follow = (on: boolean) => {
    setFollows(on);
    setSeenLines(lines());
    if (on) rows.scrollTo(lines());
    announce(on ? 'Following the log.' : 'No longer following.');
  };
  const goTo = (line: number) => {
    setFollows(false);
    setSeenLines(lines());
    showLine(line);
  };
  const rewrap = () => {
    wrap(!wraps());
    if (follows()) rows.scrollTo(lines());
  };
  const goToMatch = (by: 1 | -1) => finder.move(by, rows.firstSeen());
  const leave = (row: number) => {
    setFollows(false);
    setSeenLines(lines());
    rows.scrollTo(row);
  };
  useKeys('Log', [
    { key: 'f', does: 'follow, or stop', act: () => follow(!follows()) },
    { key: 'n', does: 'next match', act: () => goToMatch(1) },
    { key: 'Shift+N', does: 'match before', act: () => goToMatch(-1) },
    { key: 'e', does: 'next error', act: () => finder.moveToError(1, rows.firstSeen()) },
    {
      key: 'Shift+E',
      does: 'error before',
      act: () => finder.moveToError(-1, rows.firstSeen()),
    },
    { key: 'w', does: 'wrap long lines, or not', act: () => rewrap() },
    { key: 'z', does: 'full screen', act: () => setWide((before) => !before) },
    { key: 'Home', does: 'to the first line', act: () => leave(0) },
    { key: 'End', does: 'to the last line', act: () => rows.scrollTo(lines()) },
  ]);
  return {
    log,
    rows,
    lines,
    linked,
    finder,
    stream,
    attempt,
    follows,
    follow,
    wraps,
    rewrap,
    isWide,
    setWide,
    goToMatch,
    /** Lines that came since who reads left the end. */
    missed: () => (follows() ? 0 : Math.max(0, lines() - seenLines())),
    onScroll: () => {
      rows.read();
      if (rows.isAtEnd()) setSeenLines(lines());
      else if (follows() && !isOver(run())) setFollows(false);
    },
    /** Puts a line into the address, or all lines from the one that is there. */
    pick(line: number, isEnd: boolean) {
      const from = isEnd ? (linked()?.from ?? line) : line;
      const [low, high] = [Math.min(from, line), Math.max(from, line)];
      setQuery({ l: low === high ? String(low) : `${low}-${high}` });
    },
  };
}

function Head(props: { source: RunSource; view: LogView }) {
  const view = () => props.view;
  const attempts = () => props.source.run()?.attempt ?? 0;
  return (
    <header class="bar">
      <Find finder={view().finder} onMove={view().goToMatch} />
      <button aria-pressed={view().follows()} onClick={() => view().follow(!view().follows())}>
        Follow
      </button>
      <Choice
        label="Stream"
        value={view().stream()}
        options={STREAMS}
        onPick={(value) => setQuery({ stream: value })}
      />
      <Show when={attempts() > 1}>
        <Choice
          label="Attempt"
          value={String(view().attempt())}
          options={Array.from({ length: attempts() }, (_, index) => String(index + 1))}
          onPick={(value) => setQuery({ attempt: value })}
        />
      </Show>
      <Downloads
        source={props.source}
        stream={view().stream()}
        attempt={view().attempt()}
        plain={() => view().log.text().plain()}
      />
      <span class="rest" />
      <span class="soft number" data-lines={view().lines()}>
        {count(view().lines())} lines, {bytes((view().log.version(), view().log.text().size))}
        {view().log.isComplete() ? '' : ' so far'}
      </span>
      <button aria-pressed={view().wraps()} title="Wrap long lines" onClick={() => view().rewrap()}>
        Wrap
      </button>
      <button
        aria-pressed={view().isWide()}
        title="Full screen"
        onClick={() => view().setWide((before) => !before)}
      >
        Full
      </button>
    </header>
  );
}

function emptyText(attempt: number, isComplete: boolean): string {
  if (attempt === 0) return 'It has not been started yet.';
  return isComplete ? 'It wrote nothing.' : 'Nothing yet.';
}

interface Lines {
  from: number;
  to: number;
}

/** `1200` or `1200-1240`, from 1. */
function linesOf(text: string | undefined): Lines | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text ?? '');
  if (!match) return undefined;
  return { from: Number(match[1]), to: Number(match[2] ?? match[1]) };
}

function isBetween(lines: Lines | undefined, line: number): boolean {
  return lines !== undefined && line >= lines.from && line <= lines.to;
}

function Line(props: {
  pieces: readonly Piece[];
  number: number;
  y: number;
  isLinked: boolean;
  isFound: boolean;
  onPick: (isEnd: boolean) => void;
}) {
  return (
    <div
      class="log-line"
      classList={{ 'is-linked': props.isLinked, 'is-found': props.isFound }}
      data-line={props.number}
      style={{ transform: `translateY(${props.y}px)` }}
    >
      <a
        class="log-number"
        href={`?l=${props.number}`}
        aria-label={`Line ${props.number}`}
        tabIndex={-1}
        onClick={(event) => {
          event.preventDefault();
          props.onPick(event.shiftKey);
        }}
      >
        {props.number}
      </a>
      <span class="log-text">
        <For each={props.pieces}>
          {({ text, style }) => (
            <span
              class={classOf(style)}
              style={{ color: rgb(style.fg), 'background-color': rgb(style.bg) }}
            >
              {text}
            </span>
          )}
        </For>
      </span>
    </div>
  );
}

/** The first sixteen colours are the theme's. */
function classOf({ fg, bg, ...flags }: Style): string {
  const names = Object.keys(flags).map((name) => `is-${name}`);
  if (typeof fg === 'number' && fg < 16) names.push(`fg-${fg}`);
  if (typeof bg === 'number' && bg < 16) names.push(`bg-${bg}`);
  return names.join(' ');
}

function rgb(colour: number | string | undefined): string | undefined {
  if (typeof colour !== 'number') return colour;
  if (colour < 16) return undefined;
  if (colour >= 232) {
    const grey = 8 + (colour - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = colour - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}

function Find(props: { finder: ReturnType<typeof useFinder>; onMove: (by: 1 | -1) => void }) {
  let callOff = () => {};
  onCleanup(() => callOff());
  return (
    <span class="bar log-find">
      <input
        type="search"
        data-search
        aria-label="Search the log"
        placeholder="Search the log  /"
        value={query('find') ?? ''}
        onInput={({ currentTarget: { value } }) => {
          callOff();
          callOff = after(200, () => setQuery({ find: value }));
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
          if (event.key !== 'Enter') return;
          event.preventDefault();
          callOff();
          setQuery({ find: event.currentTarget.value });
          props.onMove(event.shiftKey ? -1 : 1);
        }}
      />
      <Show when={query('find')}>
        <span class="soft number" data-matches={props.finder.count()} aria-live="polite">
          {props.finder.at() === undefined ? '' : `${count(props.finder.place())} of `}
          {count(props.finder.count())}
          {props.finder.isDone() ? '' : '…'}
        </span>
        <button aria-label="Match before" onClick={() => props.onMove(-1)}>
          ↑
        </button>
        <button aria-label="Next match" onClick={() => props.onMove(1)}>
          ↓
        </button>
      </Show>
    </span>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: readonly string[];
  onPick: (value: string) => void;
}) {
  return (
    <select
      aria-label={props.label}
      onChange={({ currentTarget }) => props.onPick(currentTarget.value)}
    >
      <For each={props.options}>
        {(option) => (
          <option value={option} selected={option === props.value}>
            {props.label === 'Attempt' ? `attempt ${option}` : option}
          </option>
        )}
      </For>
    </select>
  );
}

function Downloads(props: {
  source: RunSource;
  stream: string;
  attempt: number;
  plain: () => Blob;
}) {
  const name = () => `run-${props.source.id}-${props.attempt}-${props.stream}`;
  const saveRaw = () =>
    void tryTo(async () => {
      const path = `/api/runs/${segment(props.source.id)}/outputs/${props.stream}?attempt=${props.attempt}`;
      download(`${name()}.log`, await (await ask(path)).blob());
      return 'The output is saved as it was written.';
    });
  return (
    <>
      <button onClick={saveRaw} title="as it was written">
        Save raw
      </button>
      <button onClick={() => download(`${name()}.txt`, props.plain())} title="without colours">
        Save text
      </button>
    </>
  );
}
