/** Which arrows show a chart's transitions. */
import type { Chart } from '../../protocol/devtools.ts';
import { isWithin } from '../base/chart.ts';
import type { Arrow } from '../base/chart.ts';

interface Step {
  id: number;
  source: string;
  target: string;
}

/**
 * One arrow for all that leads from one state to another; and where several parts of one state lead
 * to the same place outside of it, one arrow from that state as a whole.
 */
export function arrowsOf(chart: Chart): Arrow[] {
  const steps = chart.transitions.flatMap((_, id) => stepsOf(chart, id));
  const outerOf = new Map(
    chart.states.map(({ path, parent, type }) => [path, type === 'compound' ? path : parent]),
  );
  const exitOf = ({ source, target }: Step) => {
    const outer = outerOf.get(source);
    if (outer === undefined || isWithin(target, outer)) return undefined;
    return { outer, key: `${outer} ${target}` };
  };
  const sourcesByExit = new Map<string, Set<string>>();
  for (const step of steps) {
    const key = exitOf(step)?.key;
    if (key === undefined) continue;
    sourcesByExit.set(key, (sourcesByExit.get(key) ?? new Set()).add(step.source));
  }
  const arrows = new Map<string, Arrow>();
  for (const step of steps) {
    const exit = exitOf(step);
    const isShared = exit !== undefined && sourcesByExit.get(exit.key)!.size > 1;
    const source = isShared ? exit.outer : step.source;
    const ends = `${source} ${step.target}`;
    const arrow = arrows.get(ends) ?? { source, target: step.target, transitions: [] };
    if (!arrow.transitions.includes(step.id)) arrow.transitions.push(step.id);
    arrows.set(ends, arrow);
  }
  return [...arrows.values()];
}

/** One of the machine as a whole begins at each leaf that does not answer that event itself. */
function stepsOf({ states, transitions }: Chart, id: number): Step[] {
  const { source, event, target } = transitions[id]!;
  if (source !== '') return [{ id, source, target: target ?? source }];
  const answers = (leaf: string) =>
    transitions.some(
      (one) => one.source !== '' && one.event === event && isWithin(leaf, one.source),
    );
  return states
    .filter(({ type, path }) => type === 'atomic' && path !== target && !answers(path))
    .map(({ path }) => ({ id, source: path, target: target ?? path }));
}

/** More names than these are counted instead of shown. */
const NAMES_MAX = 3;

/** What makes it happen, each event once. */
export function labelOf({ id: machine, transitions }: Chart, arrow: Arrow): string[] {
  // Most are the machine's own, or of an attempt: their first word would say little.
  const own = new RegExp(`^(?:${machine}|attempt)\\.`);
  const names = arrow.transitions.map((id) => transitions[id]!.event.replace(own, '') || 'always');
  const distinct = [...new Set(names)];
  if (distinct.length <= NAMES_MAX) return distinct;
  return [...distinct.slice(0, NAMES_MAX - 1), `and ${distinct.length - NAMES_MAX + 1} more`];
}
