/** Plays seeds: some of them twice, and then all that should be equal is compared. */
import { firstDifference, makeEventLog } from './determinism.ts';
import { inMacrotask } from './kernel.ts';
import type { Scenario } from './scenario.ts';
import { drawScenario } from './swarm.ts';
import type { SwarmOptions } from './swarm.ts';
import { withTraps } from './traps.ts';
import { simulate } from './world.ts';
import type { Outcome, Violation } from './world.ts';

export interface PlayOptions extends SwarmOptions {
  /** Play every seed twice, not only one in twenty. */
  twice?: boolean;
  timeline?: boolean;
}

/** Of a range, 5 % are played twice (dst.md part 5). */
const TWICE_EVERY = 20;

export async function playSeed(seed: number, options: PlayOptions = {}): Promise<Outcome> {
  const scenario = drawScenario(seed, options);
  return options.twice || seed % TWICE_EVERY === 0
    ? playTwice(scenario, options)
    : inMacrotask(() => simulate(scenario, { timeline: options.timeline ?? false }));
}

/** The second time among traps; what was not the same or not simulated is a violation. */
export async function playTwice(
  scenario: Scenario,
  { timeline = false }: { timeline?: boolean } = {},
): Promise<Outcome> {
  const [log, again] = [makeEventLog(), makeEventLog()];
  const { onEvent } = log;
  const first = await inMacrotask(() => simulate(scenario, { timeline, onEvent }));
  const { leaks } = await inMacrotask(() =>
    withTraps(() => simulate(scenario, { onEvent: again.onEvent })),
  );
  const found: Violation[] = leaks.map((leak) => ({ oracle: 'X4', atMs: 0, what: leak }));
  const difference = firstDifference(log, again);
  if (difference !== undefined) {
    found.push({ oracle: 'X3', atMs: 0, what: `two plays differ from ${difference}` });
  }
  return { ...first, violations: [...first.violations, ...found] };
}
