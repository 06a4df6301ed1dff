/** What a task found about an item: Taskotron's CheckDetail, as plain data. */
import { YardError, quote } from '../base/errors.ts';
import { suggestion } from '../base/document.ts';

/** From the best to the worst; of several outcomes, the last of these counts. */
export const OUTCOMES = [
  'PASSED',
  'INFO',
  'FAILED',
  'NEEDS_INSPECTION',
  'ABORTED',
  'CRASHED',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

export interface CheckDetail {
  item: string;
  /** The item's type: `koji_build`, `compose`, any word. */
  type?: string;
  outcome: Outcome;
  note?: string;
  /** Lines of text for people. */
  output: string[];
  keyvals: Record<string, unknown>;
  checkname?: string;
  /** A path below the artifacts directory. */
  artifact?: string;
  /** What reporting adds; never the task's own. */
  internal?: Record<string, unknown>;
}

/** A result with nothing known about it but the item needs inspection. */
export function checkDetail(given: Partial<CheckDetail> & { item: string }): CheckDetail {
  const { outcome = 'NEEDS_INSPECTION', output = [], keyvals = {}, ...rest } = given;
  return {
    ...rest,
    outcome: outcomeOf(outcome),
    output: output.flatMap((text) => text.split('\n')),
    keyvals: { ...keyvals },
  };
}

/** Reads an outcome; anything that is none is an error. */
export function outcomeOf(text: unknown): Outcome {
  const found = OUTCOMES.find((outcome) => outcome === text);
  if (found !== undefined) return found;
  throw new YardError('task.outcome', `${quote(text)} is not an outcome`, {
    hint: suggestion(String(text), OUTCOMES),
  });
}

/** Which of two outcomes is worse: below zero, `a` is the better one. */
export function compareOutcomes(a: Outcome, b: Outcome): number {
  return OUTCOMES.indexOf(a) - OUTCOMES.indexOf(b);
}

/** The worst of several; undefined of none. */
export function worstOutcome(outcomes: Iterable<Outcome>): Outcome | undefined {
  let worst: Outcome | undefined;
  for (const outcome of outcomes) {
    if (worst === undefined || compareOutcomes(outcome, worst) > 0) worst = outcome;
  }
  return worst;
}

/** The result with its outcome raised to `outcome`; a better one, or none, changes nothing. */
export function updateOutcome(detail: CheckDetail, outcome: unknown): CheckDetail {
  if (outcome === undefined || outcome === null) return detail;
  const next = outcomeOf(outcome);
  return compareOutcomes(next, detail.outcome) > 0 ? { ...detail, outcome: next } : detail;
}

/** Whether the check itself went wrong, so that it says nothing about the item. */
export function broken({ outcome }: CheckDetail): boolean {
  return outcome === 'ABORTED' || outcome === 'CRASHED';
}

/** The result with a text added to its output; the text is printed too. */
export function store(
  detail: CheckDetail,
  text: string,
  print: (line: string) => void,
): CheckDetail {
  print(text);
  return { ...detail, output: [...detail.output, ...text.split('\n')] };
}
