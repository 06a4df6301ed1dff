/** A machine's chart, drawn; what a run did and could do is shown on it. */
import { For, Show, createEffect, createMemo } from 'solid-js';
import type { JSX } from 'solid-js';
import { LABEL_LINE_HEIGHT, isWithin } from '../base/chart.ts';
import type { Box, DrawnChart, Picture, Point } from '../base/chart.ts';
import '../styles/statechart.css';

export interface Trail {
  /** The leaf it stands in. */
  at?: string | undefined;
  visited?: ReadonlySet<string>;
  /** How often each arrow was gone along. */
  taken?: ReadonlyMap<number, number>;
  /** The arrow of the last step. */
  last?: number | undefined;
  /** Arrows that the next event may go along. */
  next?: ReadonlySet<number>;
  /** How many stand in each leaf. */
  population?: Record<string, number>;
}

/** The narrow picture is never drawn smaller than this: it scrolls sideways instead. */
const NARROW_SCALE = 0.87;

export function Statechart(props: {
  drawn: DrawnChart;
  trail: Trail;
  hrefOf?: (path: string) => string | undefined;
}) {
  const isNarrow = () => props.drawn.shape === 'narrow';
  let view!: HTMLDivElement;
  createEffect(() => {
    const box =
      props.trail.at === undefined ? undefined : props.drawn.picture.boxes[props.trail.at];
    if (box) reveal(view, box);
  });
  return (
    // Can be scrolled, so it can be focused; what it shows is named by the drawing.
    <div
      ref={view}
      class="statechart-view"
      classList={{ 'is-narrow': isNarrow(), 'is-followed': props.trail.at !== undefined }}
      tabindex={isNarrow() ? 0 : undefined}
    >
      <Drawing {...props} scale={isNarrow() ? NARROW_SCALE : undefined} />
    </div>
  );
}

/** Scrolls what lies outside of the view to its middle. */
function reveal(view: HTMLDivElement, { x, y, width, height }: Box): void {
  const drawing = view.firstElementChild!;
  const scale = drawing.clientWidth / (drawing as SVGSVGElement).viewBox.baseVal.width;
  const isSeen = (start: number, length: number, from: number, size: number) =>
    start * scale >= from && (start + length) * scale <= from + size;
  const middle = (start: number, length: number, size: number) =>
    (start + length / 2) * scale - size / 2;
  if (!isSeen(x, width, view.scrollLeft, view.clientWidth)) {
    view.scrollLeft = middle(x, width, view.clientWidth);
  }
  if (!isSeen(y, height, view.scrollTop, view.clientHeight)) {
    view.scrollTop = middle(y, height, view.clientHeight);
  }
}

function Drawing(props: {
  drawn: DrawnChart;
  /** Absent: as large as its place allows. */
  scale: number | undefined;
  trail: Trail;
  hrefOf?: (path: string) => string | undefined;
}) {
  const picture = () => props.drawn.picture;
  const size = () => ({
    width: picture().width * (props.scale ?? 1),
    height: picture().height * (props.scale ?? 1),
  });
  const drawnArrows = createMemo(() =>
    props.drawn.arrows
      .map((_, index) => index)
      .filter((index) => picture().lines[index]!.length > 0),
  );
  return (
    <svg
      class="statechart"
      role={props.hrefOf ? 'group' : 'img'}
      aria-label={`The ${props.drawn.chart.id} machine${props.trail.at ? `, in ${props.trail.at}` : ''}`}
      viewBox={`0 0 ${picture().width} ${picture().height}`}
      width={size().width}
      height={size().height}
      style={{ 'max-width': props.scale === undefined ? `${size().width}px` : 'none' }}
    >
      <Tips />
      <Show when={picture().boxes['']}>
        {(frame) => (
          <rect
            class="frame"
            x={frame().x}
            y={frame().y}
            width={frame().width}
            height={frame().height}
            rx="12"
          >
            <title>all that is not done</title>
          </rect>
        )}
      </Show>
      <For each={props.drawn.chart.states.filter(({ type }) => type === 'compound')}>
        {(state) => <State {...props} picture={picture()} path={state.path} type="compound" />}
      </For>
      <For each={drawnArrows()}>
        {(index) => (
          <ArrowLine
            drawn={props.drawn}
            lines={picture().lines[index]!}
            index={index}
            kind={kindOf(props.trail, index)}
          />
        )}
      </For>
      <For each={drawnArrows()}>
        {(index) => (
          <Show when={picture().labels[index]}>
            {(label) => (
              <ArrowLabel
                label={label()}
                kind={kindOf(props.trail, index)}
                times={props.trail.taken?.get(index) ?? 0}
              />
            )}
          </Show>
        )}
      </For>
      <For each={props.drawn.chart.states.filter(({ type }) => type === 'compound')}>
        {({ path }) => (
          <text
            class={`group-name tone-${path.split('.')[0]}`}
            classList={{
              'is-around': props.trail.at !== undefined && isWithin(props.trail.at, path),
            }}
            x={picture().boxes[path]!.x + 10}
            y={picture().boxes[path]!.y + 19}
          >
            {path.slice(path.lastIndexOf('.') + 1)}
          </text>
        )}
      </For>
      <For each={Object.values(picture().dots)}>
        {([x, y]) => <circle class="dot" cx={x} cy={y} r="4" />}
      </For>
      <For each={props.drawn.chart.states.filter(({ type }) => type !== 'compound')}>
        {({ path, type }) => (
          <Linked href={props.hrefOf?.(path)}>
            <State {...props} picture={picture()} path={path} type={type} />
          </Linked>
        )}
      </For>
    </svg>
  );
}

/** The tips of arrows, one for each kind. */
function Tips() {
  return (
    <defs>
      <For each={['plain', 'taken', 'next', 'last']}>
        {(kind) => (
          <marker
            id={`tip-${kind}`}
            class={`tip is-${kind}`}
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerUnits="userSpaceOnUse"
            markerWidth={kind === 'last' ? 14 : 11}
            markerHeight={kind === 'last' ? 14 : 11}
            orient="auto-start-reverse"
          >
            <path d="M0 0.5 L8 4 L0 7.5 z" />
          </marker>
        )}
      </For>
    </defs>
  );
}

function Linked(props: { href: string | undefined; children: JSX.Element }) {
  return (
    <Show when={props.href} fallback={props.children}>
      {(href) => (
        // Within a group, so that it is made as a link of SVG and not of HTML.
        <g>
          <a href={href()}>{props.children}</a>
        </g>
      )}
    </Show>
  );
}

type Kind = 'plain' | 'taken' | 'next' | 'last';

function kindOf({ last, taken, next }: Trail, index: number): Kind {
  if (last === index) return 'last';
  if (taken?.has(index)) return 'taken';
  return next?.has(index) ? 'next' : 'plain';
}

function ArrowLine(props: { drawn: DrawnChart; lines: Point[][]; index: number; kind: Kind }) {
  const arrow = () => props.drawn.arrows[props.index]!;
  const events = () =>
    arrow().transitions.map((id) => {
      const { event, guard } = props.drawn.chart.transitions[id]!;
      return `${event || 'always'}${guard ? ` [${guard}]` : ''}`;
    });
  return (
    <g
      class={`arrow is-${props.kind}`}
      data-transitions={arrow().transitions.join(' ')}
      data-source={arrow().source}
      data-target={arrow().target}
    >
      <title>{`${arrow().source || 'not done'} → ${arrow().target}\n${events().join('\n')}`}</title>
      <For each={props.lines}>
        {(line) => (
          <>
            <path class="reach" d={pathOf(line)} />
            <path class="line" d={pathOf(line)} marker-end={`url(#tip-${props.kind})`} />
          </>
        )}
      </For>
    </g>
  );
}

function ArrowLabel(props: {
  label: NonNullable<Picture['labels'][number]>;
  kind: Kind;
  times: number;
}) {
  const lines = () => {
    const { text } = props.label;
    return props.times > 1 ? [...text.slice(0, -1), `${text.at(-1)}\u2009×${props.times}`] : text;
  };
  return (
    <text class={`arrow-label is-${props.kind}`} aria-hidden="true">
      <For each={lines()}>
        {(line, index) => (
          <tspan x={props.label.x} y={props.label.y + 12 + index() * LABEL_LINE_HEIGHT}>
            {line}
          </tspan>
        )}
      </For>
    </text>
  );
}

/** Orthogonal lines with their corners rounded a little. */
function pathOf(points: readonly Point[]): string {
  const [start, ...rest] = points;
  let text = `M${start![0]} ${start![1]}`;
  for (const [index, [x, y]] of rest.entries()) {
    const next = rest[index + 1];
    if (!next) {
      text += `L${x} ${y}`;
      continue;
    }
    const [fromX, fromY] = points[index]!;
    const reach = (dx: number, dy: number) => Math.min(5, Math.hypot(dx, dy) / 2);
    const back = reach(x - fromX, y - fromY);
    const on = reach(next[0] - x, next[1] - y);
    const step = (a: number, b: number, by: number) => a + Math.sign(b - a) * by;
    text += `L${step(x, fromX, back)} ${step(y, fromY, back)}`;
    text += `Q${x} ${y} ${step(x, next[0], on)} ${step(y, next[1], on)}`;
  }
  return text;
}

function State(props: {
  drawn: DrawnChart;
  picture: Picture;
  trail: Trail;
  path: string;
  type: string;
}) {
  const box = () => props.picture.boxes[props.path]!;
  const key = () => props.path.slice(props.path.lastIndexOf('.') + 1);
  const isAt = () => props.trail.at === props.path;
  const isAround = () => props.trail.at !== undefined && isWithin(props.trail.at, props.path);
  const count = () => props.trail.population?.[props.path] ?? 0;
  const countWidth = () => String(count()).length * 8.5 + 12;
  const own = createMemo(() =>
    props.drawn.arrows.findIndex(
      ({ source, target }) => source === props.path && target === props.path,
    ),
  );
  const ownEvents = () =>
    props.drawn.arrows[own()]!.transitions.map((id) => props.drawn.chart.transitions[id]!.event);
  return (
    <g
      class={`state is-${props.type} tone-${props.path.split('.')[0]}`}
      classList={{
        'is-visited': props.trail.visited?.has(props.path) ?? !props.trail.at,
        'is-active': isAt(),
        'is-around': isAround() && !isAt(),
        'is-populated': count() > 0,
      }}
      data-state={props.type === 'compound' ? undefined : props.path}
      data-active={isAt() ? '' : undefined}
    >
      <Show when={props.type === 'final'}>
        <rect
          class="outer"
          x={box().x - 3}
          y={box().y - 3}
          width={box().width + 6}
          height={box().height + 6}
          rx="10"
        />
      </Show>
      <rect class="box" x={box().x} y={box().y} width={box().width} height={box().height} rx="8" />
      <Show when={props.type !== 'compound'}>
        <text
          x={box().x + box().width / 2}
          y={box().y + box().height / 2 + 5.5}
          text-anchor="middle"
        >
          {key()}
        </text>
      </Show>
      <Show when={own() !== -1}>
        <g
          class={`own is-${kindOf(props.trail, own())}`}
          data-transitions={props.drawn.arrows[own()]!.transitions.join(' ')}
        >
          <title>{`stays in ${props.path}\n${ownEvents().join('\n')}`}</title>
          <path
            class="line"
            d={`M${box().x + box().width} ${box().y + 9} h9 q4 0 4 4 v6 q0 4 -4 4 h-7`}
            marker-end={`url(#tip-${kindOf(props.trail, own())})`}
          />
        </g>
      </Show>
      <Show when={count() > 0}>
        <g class="count">
          <rect
            x={box().x + box().width + 6 - countWidth()}
            y={box().y - 11}
            width={countWidth()}
            height="20"
            rx="10"
          />
          <text
            x={box().x + box().width + 6 - countWidth() / 2}
            y={box().y + 4}
            text-anchor="middle"
          >
            {count()}
          </text>
        </g>
      </Show>
    </g>
  );
}
