/** A machine's chart with its lines laid out: made when the page is built, drawn by the page. */
import type { Chart, ChartTransition } from '../../protocol/devtools.ts';

/** Of a label's text, in pixels at full size. */
export const LABEL_LINE_HEIGHT = 16;

export type Point = readonly [x: number, y: number];

/** Lengths are pixels at full size. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** All transitions that lead from one state to one other, drawn as one arrow. */
export interface Arrow {
  /** '' for any state that is not done. */
  source: string;
  /** The source itself, for what stays where it is. */
  target: string;
  /** Places in the chart's list of transitions. */
  transitions: number[];
}

export interface Picture {
  width: number;
  height: number;
  /** By the path of a state; '' is the frame around all that is not done, where there is one. */
  boxes: Record<string, Box>;
  /** Inside a state: where what begins at any of its parts begins. */
  dots: Record<string, Point>;
  /** By arrow. None for one that leads to its own source: the state shows it. */
  lines: Point[][][];
  /** By arrow. Null where nothing is written. */
  labels: ((Box & { text: string[] }) | null)[];
}

/** From left to right, or from top to bottom for what is narrower than a desk's screen. */
export type Shape = 'wide' | 'narrow';

/** What is needed of a chart to show it. */
export interface DrawnChart {
  chart: {
    id: string;
    states: Pick<Chart['states'][number], 'path' | 'type'>[];
    transitions: Omit<ChartTransition, 'changes' | 'effects'>[];
  };
  arrows: Arrow[];
  shape: Shape;
  picture: Picture;
}

/** Whether a state is that other one or a part of it; everything is part of the machine, ''. */
export function isWithin(path: string, outer: string): boolean {
  return outer === '' || path === outer || path.startsWith(`${outer}.`);
}

/** The arrow along which a step went; undefined for one that no arrow shows. */
export function arrowOf(
  { chart, arrows }: Pick<DrawnChart, 'chart' | 'arrows'>,
  step: { before: string; after: string; type: string },
): number | undefined {
  const found = arrows.findIndex(
    ({ source, target, transitions }) =>
      target === (step.before === step.after && source === target ? step.before : step.after) &&
      isWithin(step.before, source) &&
      transitions.some((id) => chart.transitions[id]?.event === step.type),
  );
  return found === -1 ? undefined : found;
}
