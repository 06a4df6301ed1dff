/** Rows of bars over time. */
import { For, Show, createMemo, createSignal, onCleanup, onMount } from 'solid-js';
import type { JSX } from 'solid-js';
import { clockTime } from '../base/clock.ts';
import { duration } from '../base/text.ts';

export interface GanttBar {
  state: string;
  fromMs: number;
  toMs: number;
  title: string;
  href?: string;
}

export interface GanttRow {
  name: string;
  more?: string;
  bars: readonly GanttBar[];
  /** Stands behind the last bar. */
  end?: string;
}

const ROW = 38;
const TOP = 26;
const LABEL = 170;
const LABEL_NARROW = 92;
const CHARACTER = 6.8;
const TICK_PIXELS = 120;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000]
  .concat([1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000))
  .concat([1, 2, 4, 8, 12, 24, 48, 168].map((hours) => hours * 3_600_000));

export function Gantt(props: {
  label: string;
  rows: readonly GanttRow[];
  fromMs: number;
  toMs: number;
  hasNow?: boolean;
  /** Ticks read as times of the day rather than as time since the start. */
  isAbsolute?: boolean;
}) {
  let holder: HTMLDivElement | undefined;
  const [width, setWidth] = createSignal(900);
  onMount(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    observer.observe(holder!);
    onCleanup(() => observer.disconnect());
  });
  const label = () => (width() < 560 ? LABEL_NARROW : LABEL);
  /** Words behind the last bar need room, too. */
  const tail = () =>
    Math.min(width() / 3, Math.max(0, ...props.rows.map(({ end = '' }) => end.length * CHARACTER)));
  const room = () => Math.max(100, width() - label() - tail() - 16);
  const span = () => Math.max(1, props.toMs - props.fromMs);
  const xOf = (ms: number) => label() + ((ms - props.fromMs) / span()) * room();
  const height = () => TOP + props.rows.length * ROW + 8;
  const ticks = createMemo(() => {
    const least = (span() / room()) * TICK_PIXELS;
    const step = STEPS.find((one) => one >= least) ?? STEPS.at(-1)!;
    const first = props.isAbsolute ? Math.ceil(props.fromMs / step) * step : props.fromMs;
    const found: number[] = [];
    for (let at = first; at <= props.toMs && found.length < 40; at += step) found.push(at);
    return found;
  });
  return (
    <div ref={holder}>
      <svg class="gantt" height={height()} role="group" aria-label={props.label}>
        <For each={ticks()}>
          {(at) => (
            <>
              <line class="grid-line" x1={xOf(at)} x2={xOf(at)} y1={TOP - 6} y2={height()} />
              <text x={xOf(at)} y="13" text-anchor={at === props.fromMs ? 'start' : 'middle'}>
                {props.isAbsolute
                  ? clockTime(at)
                  : at === props.fromMs
                    ? '0'
                    : `+${duration(at - props.fromMs)}`}
              </text>
            </>
          )}
        </For>
        <For each={props.rows}>
          {(row, index) => <Row row={row} y={TOP + index() * ROW} xOf={xOf} />}
        </For>
        <Show when={props.hasNow}>
          <line class="now" x1={xOf(props.toMs)} x2={xOf(props.toMs)} y1={TOP - 6} y2={height()} />
        </Show>
      </svg>
    </div>
  );
}

function Row(props: { row: GanttRow; y: number; xOf: (ms: number) => number }) {
  const fits = (text: string, pixels: number) => text.length * CHARACTER < pixels;
  const endX = () => props.xOf(props.row.bars.at(-1)?.toMs ?? 0);
  return (
    <g>
      <text class="row-name" x="0" y={props.y + 14}>
        {props.row.name}
      </text>
      <text x="0" y={props.y + 28}>
        {props.row.more}
      </text>
      <For each={props.row.bars}>
        {(bar) => {
          const x = () => props.xOf(bar.fromMs);
          const width = () => Math.max(2, props.xOf(bar.toMs) - x());
          const text = () => `${bar.title}, ${duration(bar.toMs - bar.fromMs)}`;
          const isWaiting = () =>
            bar.state.startsWith('PENDING') && bar.state !== 'PENDING.assigned';
          return (
            <Linked href={bar.href} label={`${props.row.name}: ${text()}`}>
              <rect
                class={`bar-part tone-${bar.state.split('.')[0]}`}
                classList={{ 'is-waiting': isWaiting() }}
                x={x()}
                y={props.y + (isWaiting() ? 10 : 4)}
                width={width()}
                height={isWaiting() ? 14 : 26}
                rx="3"
              >
                <title>{text()}</title>
              </rect>
              <Show when={!isWaiting() && fits(bar.title, width() - 10)}>
                <text class="bar-name" x={x() + 6} y={props.y + 21}>
                  {bar.title}
                </text>
              </Show>
            </Linked>
          );
        }}
      </For>
      <Show when={props.row.end}>
        <text class="bar-end" x={endX() + 8} y={props.y + 21}>
          {props.row.end}
        </text>
      </Show>
    </g>
  );
}

function Linked(props: { href: string | undefined; label: string; children: JSX.Element }) {
  return (
    <Show when={props.href} fallback={props.children}>
      {(href) => (
        // Within a group, so that it is made as a link of SVG and not of HTML.
        <g>
          <a href={href()} aria-label={props.label}>
            {props.children}
          </a>
        </g>
      )}
    </Show>
  );
}
