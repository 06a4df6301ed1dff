/** Lines over time, on a canvas: uPlot, loaded with the first page that shows one. */
import uPlot from 'uplot';
import { For, createEffect, on, onCleanup, onMount } from 'solid-js';
import type { SeriesName, SeriesView } from '../../protocol/devtools.ts';
import { duration } from '../base/text.ts';
import { colour, theme } from '../base/theme.ts';
import 'uplot/dist/uPlot.min.css';

export interface PlotLine {
  name: SeriesName;
  shown: string;
  /** A colour of the theme. */
  colour: string;
}

const HEIGHT = 170;

export default function Plot(props: {
  label: string;
  series: SeriesView | undefined;
  lines: readonly PlotLine[];
  /** What the values are, if not a count. */
  unit?: 'ms';
}) {
  let holder: HTMLDivElement | undefined;
  let plot: uPlot | undefined;
  const data = (): uPlot.AlignedData => {
    const { at = [], values } = props.series ?? {};
    return [at.map((ms) => ms / 1000), ...props.lines.map(({ name }) => values?.[name] ?? [])];
  };
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(optionsOf(props.lines, holder!.clientWidth, props.unit), data(), holder!);
  };
  onMount(() => {
    draw();
    const observer = new ResizeObserver(() =>
      plot?.setSize({ width: holder!.clientWidth, height: HEIGHT }),
    );
    observer.observe(holder!);
    onCleanup(() => {
      observer.disconnect();
      plot?.destroy();
    });
  });
  createEffect(
    on(
      () => props.series,
      () => plot?.setData(data()),
      { defer: true },
    ),
  );
  // A canvas knows nothing of the theme.
  createEffect(on(theme, draw, { defer: true }));
  return (
    <>
      <div ref={holder} class="chart-plot" role="img" aria-label={props.label} />
      <p class="bar plot-legend">
        <For each={props.lines}>
          {(line) => (
            <span class="soft">
              <i style={{ background: `var(--${line.colour})` }} /> {line.shown}
            </span>
          )}
        </For>
      </p>
    </>
  );
}

const longest = (texts: readonly string[] | null) =>
  Math.max(0, ...(texts ?? []).map((text) => text.length));

function optionsOf(
  lines: readonly PlotLine[],
  width: number,
  unit: 'ms' | undefined,
): uPlot.Options {
  const values = unit && ((_: uPlot, splits: number[]) => splits.map(duration));
  const axis: uPlot.Axis = {
    stroke: colour('soft'),
    grid: { stroke: colour('raised'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, size: 28, space: 76, values: timesOf },
      {
        ...axis,
        size: (_, shown) => Math.max(44, 14 + 7 * longest(shown)),
        ...(values && { values }),
      },
    ],
    series: [
      {},
      ...lines.map((line): uPlot.Series => ({
        label: line.shown,
        stroke: colour(line.colour),
        width: 1.8,
        points: { show: false },
      })),
    ],
  };
}

/** As everywhere on the page, by a clock of 24 hours; days by name where a label is for days. */
function timesOf(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  const options: Intl.DateTimeFormatOptions =
    step < 86_400
      ? { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
      : { month: 'short', day: 'numeric' };
  if (step < 60) options.second = '2-digit';
  const format = new Intl.DateTimeFormat(undefined, options);
  return splits.map((seconds) => format.format(seconds * 1000));
}
