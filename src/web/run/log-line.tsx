/** One line of a log: its number, which is a link, when it came, and its text in its colours. */
import { For, Show } from 'solid-js';
import { clockTime, dateTime, formatInstant } from '../base/clock.ts';
import type { Piece, Style } from './ansi.ts';

export function LogLine(props: {
  pieces: readonly Piece[];
  number: number;
  /** Absent: times are not shown. */
  time: { at: number | undefined } | undefined;
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
      <Show when={props.time}>{(time) => <LineTime at={time().at} />}</Show>
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

function LineTime(props: { at: number | undefined }) {
  return (
    <span class="log-time">
      <Show when={props.at}>
        {(at) => (
          <time datetime={formatInstant(at())} title={dateTime(at())}>
            {clockTime(at())}
            <span class="log-ms">{clockTime(at(), true).slice(-4)}</span>
          </time>
        )}
      </Show>
    </span>
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
