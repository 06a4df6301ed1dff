import { expect, test } from 'vitest';
import { inMacrotask } from './kernel.ts';
import type { Scenario } from './scenario.ts';
import { drawScenario } from './swarm.ts';
import { simulate } from './world.ts';

const play = (scenario: Scenario) => inMacrotask(() => simulate(scenario));

test('a calm cluster of three slaves brings twenty runs to their end', async () => {
  const outcome = await play(drawScenario('calm', { profile: 'calm', slaves: 3, runs: 20 }));
  expect(outcome.violations).toEqual([]);
  expect(outcome.runs).toBeGreaterThanOrEqual(20);
});

test('a seed gives the same trace again, also after others', async () => {
  const first = await play(drawScenario(7));
  await play(drawScenario(8));
  const again = await play(drawScenario(7));
  expect(again.hash).toBe(first.hash);
  expect(again.events).toBe(first.events);
  const other = await play(drawScenario(9));
  expect(other.hash).not.toBe(first.hash);
});
