/** A table of any length: rows of one height, and only those in sight are in the document. */
import { For, Show, createEffect, createMemo, createSignal, onCleanup, onMount } from 'solid-js';
import type { JSX } from 'solid-js';
import { useKeys } from '../base/keys.ts';
import { useMedia } from '../base/use.ts';

export interface Column<T> {
  name: string;
  /** A track of CSS grid: `120px`, `minmax(0, 2fr)`. */
  width: string;
  cell: (row: T) => JSX.Element;
  /** Left out where the page is narrow. */
  isExtra?: boolean;
}

/** Browsers draw no taller element than about 33 million pixels: above that, rows share a pixel. */
const HEIGHT_MAX = 30_000_000;
const MARGIN_ROWS = 8;
const NARROW = '(max-width: 720px)';

/** Which rows of one height are in sight, and where they lie: shared by all that scrolls. */
export function useWindow(options: { count: () => number; rowHeight: number }) {
  const [top, setTop] = createSignal(0);
  const [height, setHeight] = createSignal(600);
  const [width, setWidth] = createSignal(600);
  const full = () => options.count() * options.rowHeight;
  const total = () => Math.min(full(), HEIGHT_MAX);
  /** Rows pass by faster than pixels where there are more rows than pixels. */
  const factor = () => (full() <= HEIGHT_MAX ? 1 : (full() - height()) / (total() - height()));
  const first = createMemo(() =>
    Math.max(0, Math.floor((top() * factor()) / options.rowHeight) - MARGIN_ROWS),
  );
  const last = createMemo(() =>
    Math.min(
      options.count(),
      Math.ceil((top() * factor() + height()) / options.rowHeight) + MARGIN_ROWS,
    ),
  );
  let scroller: HTMLElement | undefined;
  const read = () => {
    if (!scroller) return;
    setTop(scroller.scrollTop);
    setHeight(scroller.clientHeight);
    setWidth(scroller.clientWidth);
  };
  return {
    first,
    last,
    total,
    /** Of what is seen, in pixels. */
    width,
    height,
    /** The row at the top of what is seen. */
    firstSeen: () => Math.floor((top() * factor()) / options.rowHeight),
    yOf: (row: number) => row * options.rowHeight - top() * factor() + top(),
    /** Looks anew at what is in sight: a listener may hear of a scroll before this one does. */
    read,
    /** Whether the end is in sight. */
    isAtEnd: () => top() + height() >= total() - 2 * options.rowHeight,
    bind(element: HTMLElement) {
      scroller = element;
      element.addEventListener('scroll', read, { passive: true });
      const observer = new ResizeObserver(read);
      observer.observe(element);
      onCleanup(() => observer.disconnect());
      read();
    },
    scrollTo(row: number, where: 'start' | 'nearest' | 'center' = 'start') {
      if (!scroller) return;
      const at = (row * options.rowHeight) / factor();
      const room = scroller.clientHeight;
      const isSeen =
        at >= scroller.scrollTop && at + options.rowHeight <= scroller.scrollTop + room;
      if (where === 'nearest' && isSeen) return;
      const isBelow = at > scroller.scrollTop;
      const offset =
        where === 'center'
          ? room / 2
          : where === 'nearest' && isBelow
            ? room - options.rowHeight
            : 0;
      scroller.scrollTop = Math.max(0, at - offset);
      read();
    },
  };
}

export function Table<T>(props: {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  /** What `Enter` opens. */
  hrefOf?: (row: T) => string;
  onOpen?: (row: T) => void;
  /** The most that it takes of the page, in pixels; absent: all its rows. */
  heightMax?: number;
  /** The end is near. */
  onEnd?: () => void;
  empty?: JSX.Element;
  rowHeight?: number;
  /** Answers j, k and Enter. */
  hasKeys?: boolean;
}) {
  const rowHeight = props.rowHeight ?? 34;
  const isNarrow = useMedia(NARROW);
  const columns = createMemo(() => props.columns.filter(({ isExtra }) => !isExtra || !isNarrow()));
  const tracks = () =>
    columns()
      .map(({ width }) => width)
      .join(' ');
  const rows = useWindow({ count: () => props.rows.length, rowHeight });
  const [at, setAt] = createSignal(-1);
  createEffect(() => {
    if (rows.isAtEnd() && props.rows.length > 0) props.onEnd?.();
  });
  const move = (by: number) => {
    const next = Math.min(props.rows.length - 1, Math.max(0, at() + by));
    setAt(next);
    rows.scrollTo(next, 'nearest');
    queueMicrotask(() =>
      document.querySelector<HTMLElement>(`[data-row="${next}"] a`)?.focus({ preventScroll: true }),
    );
  };
  if (props.hasKeys) {
    useKeys('Lists', [
      { key: 'j', does: 'next row', act: () => move(1) },
      { key: 'k', does: 'row before', act: () => move(-1) },
    ]);
  }
  const seen = createMemo(() =>
    props.rows
      .slice(rows.first(), rows.last())
      .map((row, index) => ({ row, index: rows.first() + index })),
  );
  return (
    <div class="table" role="table" aria-label={props.label} aria-rowcount={props.rows.length + 1}>
      <div class="head" role="row" style={{ '--columns': tracks() }}>
        <For each={columns()}>
          {({ name }) => (
            <span class="cell" role="columnheader">
              {name}
            </span>
          )}
        </For>
      </div>
      <Show when={props.rows.length === 0}>
        <div class="empty">{props.empty ?? 'Nothing here.'}</div>
      </Show>
      <div
        class="scroll"
        role="rowgroup"
        ref={(element) => onMount(() => rows.bind(element))}
        tabIndex={props.heightMax !== undefined && props.rows.length > 0 ? 0 : undefined}
        style={{ 'max-height': props.heightMax ? `${props.heightMax}px` : undefined }}
      >
        <div class="spacer" role="presentation" style={{ height: `${rows.total()}px` }}>
          <For each={seen()}>
            {({ row, index }) => (
              <div
                class="row"
                role="row"
                aria-rowindex={index + 2}
                data-row={index}
                classList={{ 'is-at': at() === index }}
                style={{ '--columns': tracks(), transform: `translateY(${rows.yOf(index)}px)` }}
                onDblClick={() => props.onOpen?.(row)}
              >
                <For each={columns()}>
                  {({ cell }) => (
                    <span class="cell" role="cell">
                      {cell(row)}
                    </span>
                  )}
                </For>
              </div>
            )}
          </For>
        </div>
      </div>
    </div>
  );
}
