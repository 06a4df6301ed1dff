/** Lays a machine's chart out with ELK, when the page is built: ELK itself never ships. */
import Elk from 'elkjs/lib/elk.bundled.js';
import type { ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { Chart } from '../../protocol/devtools.ts';
import type { Arrow, Box, Picture, Point } from '../base/chart.ts';
import { LABEL_LINE_HEIGHT, isWithin } from '../base/chart.ts';
import { arrowsOf, labelOf } from './arrows.ts';

// Of the fonts in styles/statechart.css, as wide as the widest that browsers put there.
const CHARACTER_WIDTH = 8.8;
const CAPITAL_WIDTH = 10.3;
const STATE_HEIGHT = 32;
const LABEL_CHARACTER_WIDTH = 7.5;
/** Kept free after a label's last line, for how often its arrow was gone along. */
const TIMES_WIDTH = 20;
/** Stands inside a state for any of its parts. */
const ANY = '.*';
const DOT = 8;
/** Around all that is not done. */
const FRAME = '#frame';

interface Style {
  statePadding: number;
  groupPadding: string;
  options: Record<string, string>;
}

const COMMON = {
  'elk.algorithm': 'layered',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.layered.layering.strategy': 'COFFMAN_GRAHAM',
  'elk.layered.layering.coffmanGraham.layerBound': '6',
  'elk.layered.nodePlacement.strategy': 'BRANDES_KOEPF',
  'elk.layered.crossingMinimization.greedySwitchHierarchical.type': 'OFF',
  'elk.layered.edgeLabels.sideSelection': 'ALWAYS_UP',
  'elk.layered.mergeEdges': 'true',
  'elk.layered.thoroughness': '10',
  'elk.layered.unnecessaryBendpoints': 'false',
  'elk.randomSeed': '35',
  'elk.layered.spacing.nodeNodeBetweenLayers': '10',
  'elk.layered.spacing.edgeNodeBetweenLayers': '8',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '7',
  'elk.spacing.labelNode': '4',
  'elk.spacing.edgeLabel': '3',
  'elk.padding': '[top=6,left=6,bottom=6,right=6]',
};

// Both were found by trying some thousand layouts of the run machine, counting what crosses, bends
// and overlaps, and looking at the best. What counts is that it is no wider than a screen: what is
// wider is shown smaller, until nobody can read it.
const WIDE: Style = {
  statePadding: 7,
  groupPadding: '[top=28,left=8,bottom=10,right=8]',
  options: {
    ...COMMON,
    'elk.direction': 'RIGHT',
    'elk.layered.cycleBreaking.strategy': 'GREEDY',
    'elk.layered.edgeLabels.centerLabelPlacementStrategy': 'CENTER_LAYER',
    'elk.layered.mergeHierarchyEdges': 'true',
    'elk.spacing.nodeNode': '14',
    'elk.spacing.edgeNode': '14',
    'elk.spacing.edgeEdge': '10',
  },
};

const NARROW: Style = {
  statePadding: 8,
  groupPadding: '[top=28,left=8,bottom=8,right=8]',
  options: {
    ...COMMON,
    'elk.direction': 'DOWN',
    'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
    'elk.layered.edgeLabels.centerLabelPlacementStrategy': 'WIDEST_LAYER',
    'elk.spacing.nodeNode': '10',
    'elk.spacing.edgeNode': '8',
    'elk.spacing.edgeEdge': '8',
  },
};

export interface LaidOut {
  chart: Chart;
  arrows: Arrow[];
  wide: Picture;
  narrow: Picture;
}

export async function layOut(chart: Chart): Promise<LaidOut> {
  const arrows = arrowsOf(chart);
  const [wide, narrow] = await Promise.all([
    pictureOf(chart, arrows, WIDE),
    pictureOf(chart, arrows, NARROW),
  ]);
  return { chart, arrows, wide, narrow };
}

async function pictureOf(chart: Chart, arrows: readonly Arrow[], style: Style): Promise<Picture> {
  const nodes = nodesIn(chart, arrows, style, undefined);
  const laid = await new Elk().layout({
    id: '#all',
    layoutOptions: style.options,
    children: arrows.some(({ source }) => source === '') ? framed(nodes) : nodes,
    edges: arrows.flatMap((arrow, index) =>
      arrow.source === arrow.target ? [] : [edgeOf(chart, arrow, index)],
    ),
  });
  return read(chart, arrows, laid);
}

function framed(nodes: ElkNode[]): ElkNode[] {
  const frame = {
    id: FRAME,
    children: nodes.filter(({ children }) => children),
    layoutOptions: { 'elk.padding': '[top=10,left=8,bottom=10,right=8]' },
  };
  return [frame, ...nodes.filter(({ children }) => !children)];
}

function nodesIn(
  chart: Chart,
  arrows: readonly Arrow[],
  style: Style,
  parent: string | undefined,
): ElkNode[] {
  return chart.states
    .filter((state) => state.parent === parent)
    .map(({ path, type }): ElkNode => {
      const inner = nodesIn(chart, arrows, style, path);
      if (inner.length === 0) {
        const key = path.slice(path.lastIndexOf('.') + 1);
        return {
          id: path,
          width: Math.round(widthOf(key) + 2 * style.statePadding),
          height: STATE_HEIGHT,
          layoutOptions: constraintOf(chart, path, type),
        };
      }
      if (arrows.some((arrow) => arrow.source === path && isInward(arrow))) {
        inner.unshift({ id: `${path}${ANY}`, width: DOT, height: DOT });
      }
      return {
        id: path,
        children: inner,
        layoutOptions: { 'elk.padding': style.groupPadding },
      };
    });
}

function widthOf(key: string): number {
  return key.length * (key === key.toUpperCase() ? CAPITAL_WIDTH : CHARACTER_WIDTH);
}

function constraintOf({ initial }: Chart, path: string, type: string): Record<string, string> {
  if (type === 'final') return { 'elk.layered.layering.layerConstraint': 'LAST' };
  if (path === initial && !path.includes('.')) {
    return { 'elk.layered.layering.layerConstraint': 'FIRST' };
  }
  return {};
}

/** Leads from a state as a whole to one of its parts. */
function isInward({ source, target }: Arrow): boolean {
  return source !== '' && source !== target && isWithin(target, source);
}

function edgeOf(chart: Chart, arrow: Arrow, index: number): ElkExtendedEdge {
  const at = (path: string) => chart.states.findIndex((state) => state.path === path);
  const source = arrow.source === '' ? FRAME : arrow.source;
  const text = labelOf(chart, arrow);
  const isOnce =
    arrow.source === chart.initial ||
    chart.states.some(({ path, type }) => path === arrow.target && type === 'final');
  return {
    id: String(index),
    sources: [isInward(arrow) ? `${source}${ANY}` : source],
    targets: [arrow.target],
    // Lines run on where the definition names the one before the other.
    layoutOptions: {
      'elk.layered.priority.direction': at(arrow.source) < at(arrow.target) ? '20' : '0',
    },
    labels:
      text.length === 0
        ? []
        : [{ text: text.join('\n'), ...sizeOf(text, isOnce ? 0 : TIMES_WIDTH) }],
  };
}

function sizeOf(text: readonly string[], timesWidth: number): { width: number; height: number } {
  const widths = text.map((line) => line.length * LABEL_CHARACTER_WIDTH);
  return {
    width: Math.max(...widths, widths.at(-1)! + timesWidth),
    height: text.length * LABEL_LINE_HEIGHT,
  };
}

/** Where a line crosses the edge of a state, ELK may leave it a little askew: a corner instead. */
function straight(points: readonly Point[]): Point[] {
  return points.flatMap((point, index): Point[] => {
    const before = points[index - 1];
    if (!before || before[0] === point[0] || before[1] === point[1]) return [point];
    const middle = round((before[1] + point[1]) / 2);
    return [[before[0], middle], [point[0], middle], point];
  });
}

const round = Math.round;

function read(chart: Chart, arrows: readonly Arrow[], laid: ElkNode): Picture {
  const places = new Map<string, Box>();
  const edges = new Map<number, ElkExtendedEdge & { container?: string }>();
  (function walk(node: ElkNode, x: number, y: number) {
    const { width = 0, height = 0 } = node;
    places.set(node.id, { x: round(x), y: round(y), width: round(width), height: round(height) });
    for (const edge of node.edges ?? []) edges.set(Number(edge.id), edge);
    for (const child of node.children ?? []) walk(child, x + (child.x ?? 0), y + (child.y ?? 0));
  })(laid, 0, 0);

  const boxes: Record<string, Box> = {};
  const dots: Record<string, Point> = {};
  for (const [id, box] of places) {
    if (id.endsWith(ANY)) dots[id.slice(0, -ANY.length)] = [box.x + DOT / 2, box.y + DOT / 2];
    else if (id === FRAME) boxes[''] = box;
    else if (id !== laid.id) boxes[id] = box;
  }
  const drawn = arrows.map((arrow, index) => {
    const edge = edges.get(index);
    // ELK gives an edge's points relative to the state that holds both of its ends.
    const { x, y } = places.get(edge?.container ?? laid.id)!;
    const [label] = edge?.labels ?? [];
    return {
      lines: (edge?.sections ?? []).map((section) =>
        straight(
          [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(
            (point): Point => [round(point.x + x), round(point.y + y)],
          ),
        ),
      ),
      label: label
        ? {
            x: round(label.x! + x),
            y: round(label.y! + y),
            width: round(label.width!),
            height: label.height!,
            text: labelOf(chart, arrow),
          }
        : null,
    };
  });
  return {
    width: Math.ceil(laid.width ?? 0),
    height: Math.ceil(laid.height ?? 0),
    boxes,
    dots,
    lines: drawn.map(({ lines }) => lines),
    labels: drawn.map(({ label }) => label),
  };
}
