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
 * One arrow for all that leads from one state to another; where several parts of one state lead to
 * the same place outside of it, one arrow from that state as a whole; and where several such states
 * lead to the same end, one arrow from all that is not done.
 */
export function arrowsOf(chart: Chart): Arrow[] {
  const steps = chart.transitions.flatMap((_, id) => stepsOf(chart, id));
  const outer = new Map(
    chart.states.map(({ path, parent, type }) => [path, type === 'compound' ? path : parent]),
  );
  const isCompound = (path: string) => outer.get(path) === path;
  const finals = new Set(
    chart.states.filter(({ type }) => type === 'final').map(({ path }) => path),
  );
  const parts = shared(steps, ({ source, target }) => {
    const whole = outer.get(source);
    return whole === undefined || isWithin(target, whole) ? undefined : whole;
  });
  const wholes = shared(parts, ({ source, target }) =>
    isCompound(source) && finals.has(target) ? '' : undefined,
  );
  const arrows = new Map<string, Arrow>();
  for (const { id, source, target } of wholes) {
    const ends = `${source} ${target}`;
    const arrow = arrows.get(ends) ?? { source, target, transitions: [] };
    if (!arrow.transitions.includes(id)) arrow.transitions.push(id);
    arrows.set(ends, arrow);
  }
  return [...arrows.values()];
}

/** Steps of several sources to one target begin at what holds these, if anything does. */
function shared(steps: readonly Step[], holderOf: (step: Step) => string | undefined): Step[] {
  const sources = new Map<string, Set<string>>();
  const keyOf = (step: Step) => `${holderOf(step)} ${step.target}`;
  for (const step of steps) {
    const key = keyOf(step);
    sources.set(key, (sources.get(key) ?? new Set()).add(step.source));
  }
  return steps.map((step) => {
    const source = holderOf(step);
    return source === undefined || sources.get(keyOf(step))!.size < 2 ? step : { ...step, source };
  });
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

/** More names than these are counted instead of shown, and long ones before others. */
const NAMES_MAX = 3;
const LENGTH_MAX = 12;

/**
 * What makes it happen, each event once; nothing where that only repeats where it leads or that what
 * it leaves is over, or where the machine begins and nothing else can happen.
 */
export function labelOf(chart: Chart, arrow: Arrow): string[] {
  const events = [...new Set(arrow.transitions.map((id) => chart.transitions[id]!.event))];
  const distinct = events.map((event) => wordsOf(chart, event, events.length > 1));
  const [left, reached] = [lastOf(arrow.source), lastOf(arrow.target)];
  if (distinct.every((name) => name === reached || name === `${left} over`)) return [];
  if (distinct.length === 1 && isOnlyWayOn(chart, arrow)) return [];
  if (distinct.length <= NAMES_MAX) return distinct;
  const names = [
    ...distinct.filter((name) => name.length <= LENGTH_MAX),
    ...distinct.filter((name) => name.length > LENGTH_MAX),
  ];
  return [...names.slice(0, NAMES_MAX - 1), `+${names.length - NAMES_MAX + 1} more`];
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

function isOnlyWayOn({ initial, transitions }: Chart, { source }: Arrow): boolean {
  const events = transitions.filter((one) => one.source === source).map(({ event }) => event);
  return source === initial && !source.includes('.') && new Set(events).size === 1;
}

/**
 * An event's name without what goes without saying: most are the machine's own, or of an attempt or
 * a slave. Of a long one among others the last word says enough where no other event ends in it.
 */
function wordsOf({ id, transitions }: Chart, event: string, isAmongOthers: boolean): string {
  if (event === '') return 'always';
  const spare = new RegExp(`^(?:${id}|attempt|slave)\\.|\\.requested$`, 'g');
  const name = event.replace(spare, '');
  const last = name.slice(name.lastIndexOf('.') + 1);
  if (!isAmongOthers || name.length <= LENGTH_MAX) return name.replace('.', ' ');
  const isAlone = transitions.every(
    (one) => one.event === event || one.event.slice(one.event.lastIndexOf('.') + 1) !== last,
  );
  return isAlone ? last : name.replace('.', ' ');
}
