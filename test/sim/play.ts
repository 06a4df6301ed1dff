/** Plays seeds: some of them twice, and then all that should be equal is compared. */
import { firstDifference, makeEventLog } from './determinism.ts';
import { hitsInto } from './hits.ts';
import type { Hits } from './hits.ts';
import { inMacrotask } from './kernel.ts';
import type { Scenario } from './scenario.ts';
import { drawScenario } from './swarm.ts';
import type { SwarmOptions } from './swarm.ts';
import { withTraps } from './traps.ts';
import { simulate } from './world.ts';
import type { Outcome, SimulateOptions, Violation } from './world.ts';

export interface PlayOptions extends SwarmOptions {
  /** Play every seed twice, not only one in twenty. */
  twice?: boolean;
  timeline?: boolean;
  /** Go on after the first violation. */
  all?: boolean;
  /** Note what faults strike. */
  hits?: boolean;
}

/** How a scenario went. */
export interface Played extends Outcome {
  hits: Hits;
}

/** Of a range, 5 % are played twice (dst.md part 5). */
const TWICE_EVERY = 20;

export async function playSeed(seed: number, options: PlayOptions = {}): Promise<Played> {
  const scenario = drawScenario(seed, options);
  if (options.twice || seed % TWICE_EVERY === 0) return playTwice(scenario, options);
  const hits: Hits = {};
  const outcome = await inMacrotask(() => simulate(scenario, simulateOptions(options, hits)));
  return { ...outcome, hits };
}

/** The second time among traps; what was not the same or not simulated is a violation. */
export async function playTwice(
  scenario: Scenario,
  options: Pick<PlayOptions, 'timeline' | 'all' | 'hits'> = {},
): Promise<Played> {
  const [log, again] = [makeEventLog(), makeEventLog()];
  const { onEvent } = log;
  const hits: Hits = {};
  const first = await inMacrotask(() =>
    simulate(scenario, { ...simulateOptions(options, hits), onEvent }),
  );
  const { leaks } = await inMacrotask(() =>
    withTraps(() =>
      simulate(scenario, { ...simulateOptions(options, {}), onEvent: again.onEvent }),
    ),
  );
  const found: Violation[] = leaks.map((leak) => ({ oracle: 'X4', atMs: 0, what: leak }));
  const difference = firstDifference(log, again);
  if (difference !== undefined) {
    found.push({ oracle: 'X3', atMs: 0, what: `two plays differ from ${difference}` });
  }
  return { ...first, violations: [...first.violations, ...found], hits };
}

function simulateOptions(options: PlayOptions, into: Hits): SimulateOptions {
  const { timeline = false, all = false, hits = false } = options;
  return { timeline, stopsAtFirst: !all, observer: hits ? hitsInto(into) : undefined };
}
