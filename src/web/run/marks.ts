/** When bytes of an output came, as the master tells it. Pure. */
import type { OutputTimes } from '../../protocol/http.ts';

/** In order: from which byte on, and when. */
export type Marks = OutputTimes['marks'];

/**
 * What is known by now: of two answers, the one that reaches further says all from where it begins.
 * They may come in another order than they were asked for.
 */
export function joined(marks: Marks, later: Marks): Marks {
  const first = later[0]?.[0];
  if (first === undefined || later.at(-1)![0] < (marks.at(-1)?.[0] ?? 0)) return marks;
  return marks.slice(0, countUpTo(marks, first - 1)).concat(later);
}

/** undefined: it is not known when that byte came. */
export function timeOf(marks: Marks, offset: number): number | undefined {
  return marks[countUpTo(marks, offset) - 1]?.[1];
}

/** How many marks begin at that byte or before it. */
function countUpTo(marks: Marks, offset: number): number {
  let [low, high] = [0, marks.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (marks[middle]![0] <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
