/** Who said what to whom: a line down for each actor, an arrow for each message. */
import { For, Show, createEffect, createMemo, createSignal, onCleanup, onMount } from 'solid-js';
import type { RunStep } from '../../protocol/devtools.ts';
import { parseInstant } from '../base/clock.ts';
import { duration } from '../base/text.ts';
import { useWindow } from './table.tsx';
import '../styles/sequence.css';

export interface Message {
  /** The step that it is, that sent it, or after which it came. */
  index: number;
  from: string;
  to: string;
  type: string;
  atMs: number;
  /** How many of a kind came one after another. */
  times: number;
  isNoise: boolean;
}

/** Steps and what they sent, as messages; heartbeats in a row are one where they are folded. */
export function messagesOf(steps: readonly RunStep[], foldsNoise: boolean): Message[] {
  const found: Message[] = [];
  let index = -1;
  for (const step of steps) {
    const atMs = parseInstant(step.at);
    const isNoise = step.noise === true;
    if (!isNoise) index += 1;
    const { from, to, type } = step;
    const before = found.at(-1);
    if (foldsNoise && isNoise && before?.isNoise && before.from === from && before.type === type) {
      before.times += 1;
    } else {
      found.push({ index: Math.max(0, index), from, to, type, atMs, times: 1, isNoise });
    }
    for (const { to: receiver, type: sent } of step.sent) {
      found.push({ index, from: to, to: receiver, type: sent, atMs, times: 1, isNoise: false });
    }
  }
  return found;
}

const ROW = 26;
const TIME = 74;
const LANE_MIN = 78;
/** Between narrower lanes a name loses the word that most of them begin with. */
const LANE_FULL = 118;
const LANE_MAX = 190;

/** People, then the clock and the master, then the run, then slaves as they appear. */
function lanesOf(messages: readonly Message[]): string[] {
  const rank = (actor: string) =>
    ['user/', 'clock', 'master', 'run/', 'slave/'].findIndex((start) => actor.startsWith(start));
  const all = [...new Set(messages.flatMap(({ from, to }) => [from, to]))];
  return all.sort((a, b) => rank(a) - rank(b));
}

export function Sequence(props: {
  steps: readonly RunStep[];
  at: number;
  foldsNoise: boolean;
  onPick: (index: number) => void;
}) {
  const messages = createMemo(() => messagesOf(props.steps, props.foldsNoise));
  const lanes = createMemo(() => lanesOf(messages()));
  const [room, setRoom] = createSignal(600);
  const lane = () =>
    Math.min(LANE_MAX, Math.max(LANE_MIN, (room() - TIME - 4) / Math.max(1, lanes().length)));
  const width = () => TIME + lanes().length * lane();
  const xOf = (actor: string) => TIME + (lanes().indexOf(actor) + 0.5) * lane();
  const startMs = () => messages()[0]?.atMs ?? 0;
  const rows = useWindow({ count: () => messages().length, rowHeight: ROW });
  const atRow = createMemo(() => messages().findLastIndex(({ index }) => index <= props.at));
  createEffect(() => rows.scrollTo(Math.max(0, atRow()), 'nearest'));
  const seen = createMemo(() =>
    messages()
      .slice(rows.first(), rows.last())
      .map((message, index) => ({ message, row: rows.first() + index })),
  );
  const bind = (element: HTMLElement) => {
    rows.bind(element);
    const observer = new ResizeObserver(() => setRoom(element.clientWidth));
    observer.observe(element);
    onCleanup(() => observer.disconnect());
  };
  return (
    <div
      class="sequence"
      tabIndex={0}
      role="group"
      aria-label="Messages"
      ref={(element) => onMount(() => bind(element))}
    >
      <svg class="lanes" width={width()} height="30" aria-hidden="true">
        <For each={lanes()}>
          {(actor) => (
            <text x={xOf(actor)} y="20" text-anchor="middle">
              {shortActor(actor, lane())}
              <title>{actor}</title>
            </text>
          )}
        </For>
      </svg>
      <div class="sequence-rows" style={{ height: `${rows.total()}px`, width: `${width()}px` }}>
        <svg
          width={width()}
          height={(rows.last() - rows.first()) * ROW}
          style={{ transform: `translateY(${rows.yOf(rows.first())}px)` }}
        >
          <For each={lanes()}>
            {(actor) => (
              <line
                class="lane"
                x1={xOf(actor)}
                x2={xOf(actor)}
                y1="0"
                y2={(rows.last() - rows.first()) * ROW}
              />
            )}
          </For>
          <For each={seen()}>
            {({ message, row }) => (
              <Row
                message={message}
                y={(row - rows.first()) * ROW}
                x1={xOf(message.from)}
                x2={xOf(message.to)}
                sinceMs={message.atMs - startMs()}
                width={width()}
                isShort={lane() < LANE_FULL}
                isAt={message.index === props.at}
                isAhead={message.index > props.at}
                onPick={() => props.onPick(message.index)}
              />
            )}
          </For>
        </svg>
      </div>
    </div>
  );
}

/** A run's id says little beside its own machine; other names are cut to what fits. */
function shortActor(actor: string, pixels: number): string {
  const text = actor.replace(/^run\/.*/, 'run').replace('user/anonymous', 'user');
  const fits = Math.floor(pixels / 7.5);
  return text.length <= fits ? text : `${text.slice(0, fits - 1)}…`;
}

function nameOf(type: string, isShort: boolean): string {
  return isShort ? type.replace(/^(?:run|attempt)\./, '') : type;
}

function Row(props: {
  message: Message;
  y: number;
  x1: number;
  x2: number;
  width: number;
  sinceMs: number;
  isShort: boolean;
  isAt: boolean;
  isAhead: boolean;
  onPick: () => void;
}) {
  const isOwn = () => props.x1 === props.x2;
  const text = () =>
    `${nameOf(props.message.type, props.isShort)}${props.message.times > 1 ? ` ×${props.message.times}` : ''}`;
  const y = () => props.y + 18;
  return (
    <g
      class="message"
      classList={{
        'is-at': props.isAt,
        'is-ahead': props.isAhead,
        'is-noise': props.message.isNoise,
      }}
      data-message={props.message.type}
      data-times={props.message.times}
      onClick={() => props.onPick()}
    >
      <title>{`${props.message.from} → ${props.message.to}: ${props.message.type}`}</title>
      <rect class="hit" x="0" y={props.y} width={props.width} height={ROW} />
      <text class="since" x="4" y={props.y + 17}>
        +{duration(props.sinceMs)}
      </text>
      <Show
        when={!isOwn()}
        fallback={
          <>
            <path class="line" d={`M${props.x1} ${y() - 9} h22 v9 h-17`} />
            <path class="head" d={`M${props.x1 + 1} ${y()} l8 -3.5 v7 z`} />
            <text class="name" x={props.x1 + 28} y={y() - 1}>
              {text()}
            </text>
          </>
        }
      >
        <line class="line" x1={props.x1} x2={props.x2} y1={y()} y2={y()} />
        <path
          class="head"
          d={`M${props.x2 + (props.x2 > props.x1 ? -1 : 1)} ${y()} l${props.x2 > props.x1 ? -8 : 8} -3.5 v7 z`}
        />
        <text class="name" x={(props.x1 + props.x2) / 2} y={y() - 4} text-anchor="middle">
          {text()}
        </text>
      </Show>
    </g>
  );
}
