/** Lays a machine's chart out with ELK, when the page is built: ELK itself never ships. */
import Elk from 'elkjs/lib/elk.bundled.js';
import type { ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { Chart } from '../../protocol/devtools.ts';
import type { Arrow, Box, DrawnArrow, DrawnChart, Point } from '../base/chart.ts';
import { isWithin } from '../base/chart.ts';
import { arrowsOf, labelOf } from './arrows.ts';

const STATE_HEIGHT = 32;
const STATE_PADDING = 16;
const CHARACTER_WIDTH = 8.4;
const LABEL_CHARACTER_WIDTH = 6.6;
const LABEL_LINE_HEIGHT = 14;
/** Stands inside a state for any of its parts. */
const ANY = '.*';
const DOT = 8;

const OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.layered.cycleBreaking.strategy': 'GREEDY',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.mergeEdges': 'true',
  'elk.layered.mergeHierarchyEdges': 'true',
  'elk.layered.spacing.nodeNodeBetweenLayers': '12',
  'elk.layered.spacing.edgeNodeBetweenLayers': '9',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '8',
  'elk.spacing.nodeNode': '18',
  'elk.spacing.edgeNode': '12',
  'elk.spacing.edgeEdge': '10',
  'elk.spacing.labelNode': '4',
  'elk.spacing.edgeLabel': '3',
  'elk.padding': '[top=8,left=8,bottom=8,right=8]',
};

export async function layOut(chart: Chart): Promise<DrawnChart> {
  const arrows = arrowsOf(chart);
  const laid = await new Elk().layout({
    id: '',
    layoutOptions: OPTIONS,
    children: nodesIn(chart, arrows, undefined),
    edges: arrows.flatMap((arrow, index) =>
      arrow.source === arrow.target ? [] : [edgeOf(chart, arrow, index)],
    ),
  });
  return read(chart, arrows, laid);
}

function nodesIn(chart: Chart, arrows: readonly Arrow[], parent: string | undefined): ElkNode[] {
  return chart.states
    .filter((state) => state.parent === parent)
    .map(({ path, type }) => {
      const inner = nodesIn(chart, arrows, path);
      if (inner.length === 0) {
        const key = keyOf(path);
        return {
          id: path,
          width: Math.round(key.length * CHARACTER_WIDTH + 2 * STATE_PADDING),
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
        layoutOptions: { 'elk.padding': '[top=30,left=12,bottom=12,right=12]' },
      };
    });
}

export function keyOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
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
  return source !== target && isWithin(target, source);
}

function edgeOf(chart: Chart, arrow: Arrow, index: number): ElkExtendedEdge {
  const text = labelOf(chart, arrow);
  const at = (path: string) => chart.states.findIndex((state) => state.path === path);
  return {
    id: String(index),
    sources: [isInward(arrow) ? `${arrow.source}${ANY}` : arrow.source],
    targets: [arrow.target],
    // Lines run down where the definition names the one before the other.
    layoutOptions: {
      'elk.layered.priority.direction': at(arrow.source) < at(arrow.target) ? '20' : '0',
    },
    labels: [
      {
        id: `${index} label`,
        text: text.join('\n'),
        width: Math.max(...text.map((line) => line.length)) * LABEL_CHARACTER_WIDTH,
        height: text.length * LABEL_LINE_HEIGHT,
      },
    ],
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

const round = (value: number) => Math.round(value * 10) / 10;

function read(chart: Chart, arrows: readonly Arrow[], laid: ElkNode): DrawnChart {
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
    else if (id !== '') boxes[id] = box;
  }
  return {
    chart,
    width: Math.ceil(laid.width ?? 0),
    height: Math.ceil(laid.height ?? 0),
    boxes,
    dots,
    arrows: arrows.map((arrow, index): DrawnArrow => {
      const text = labelOf(chart, arrow);
      const edge = edges.get(index);
      if (!edge) return { ...arrow, lines: [], label: { x: 0, y: 0, width: 0, height: 0, text } };
      // ELK gives an edge's points relative to the state that holds both of its ends.
      const { x, y } = places.get(edge.container ?? '')!;
      const [label] = edge.labels ?? [];
      return {
        ...arrow,
        lines: (edge.sections ?? []).map((section) =>
          straight(
            [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(
              (point): Point => [round(point.x + x), round(point.y + y)],
            ),
          ),
        ),
        label: {
          x: round((label?.x ?? 0) + x),
          y: round((label?.y ?? 0) + y),
          width: round(label?.width ?? 0),
          height: round(label?.height ?? 0),
          text,
        },
      };
    }),
  };
}
