import { expect, test } from 'vitest';
import { BUGGIFY_SITES } from '../../src/base/buggify.ts';
import { inMacrotask } from './kernel.ts';
import type { Scenario } from './scenario.ts';
import { reduce, shrink } from './shrink.ts';
import { drawScenario } from './swarm.ts';
import { simulate } from './world.ts';

const numbers = Array.from({ length: 100 }, (_, i) => i);

test.each([[[]], [[17]], [[3, 4]], [[0, 50, 99]], [[1, 2, 3, 60, 61, 80]]])(
  'of a hundred only those are left that are needed: %j',
  async (needed) => {
    const left = await reduce(numbers, async (some) => needed.every((n) => some.includes(n)));
    expect(left).toEqual(needed);
  },
);

test('where nothing can be left out, all is left', async () => {
  expect(await reduce([1, 2, 3], async (some) => some.length === 3)).toEqual([1, 2, 3]);
});

/** One run that no slave can ever run, and that waits for ever: a liveness oracle sees it. */
function scenarioWithOneBadRun(): Scenario {
  const scenario = drawScenario('shrink', { profile: 'everything', slaves: 3, runs: 6 });
  const buggify = { sites: [...BUGGIFY_SITES], rate: 0.1 };
  const [first, ...others] = scenario.runs;
  const request = { ...first!.request, arch: 's390x', queueTimeoutMs: 0 };
  const { abortAtMs: _, ...bad } = { ...first!, request };
  const wishes = { buggify, isRead: true, drainsAfter: scenario.slaves[0]!.name };
  const faults = scenario.faults.slice(0, 12);
  return { ...scenario, ...wishes, faults, runs: [bad, ...others] };
}

test('a failing scenario is shrunk to the run that makes it fail', async () => {
  const scenario = scenarioWithOneBadRun();
  const { violations } = await inMacrotask(() => simulate(scenario));
  expect(violations[0]?.oracle).toBe('L1');
  const shrunk = await shrink(scenario, violations[0]!);
  expect(shrunk.isCut).toBe(false);
  expect(shrunk.violation.oracle).toBe('L1');
  const { faults, runs, drains, slaves } = shrunk.scenario;
  expect({ faults, drains }).toEqual({ faults: [], drains: [] });
  expect(runs.map(({ index, request }) => ({ index, request }))).toEqual([
    { index: 0, request: { argv: ['task', '0'], key: 'key-0', arch: 's390x' } },
  ]);
  expect(slaves).toHaveLength(1);
  expect(shrunk.scenario).not.toHaveProperty('isRead');
  expect(shrunk.scenario).not.toHaveProperty('buggify');
  expect(shrunk.scenario).not.toHaveProperty('drainsAfter');
  const again = await inMacrotask(() => simulate(shrunk.scenario));
  expect(again.violations[0]?.oracle).toBe('L1');
});

test('a budget that is over leaves what was reached by then', async () => {
  const scenario = scenarioWithOneBadRun();
  const { violations } = await inMacrotask(() => simulate(scenario));
  const shrunk = await shrink(scenario, violations[0]!, { budgetMs: 0 });
  expect(shrunk).toMatchObject({ isCut: true, plays: 0, scenario });
});
