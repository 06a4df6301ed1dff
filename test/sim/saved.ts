/** Scenarios in files: events, not seeds, since seeds rot when the code draws differently. */
import { readFileSync, writeFileSync } from 'node:fs';
import { YardError, messageOf } from '../../src/base/errors.ts';
import type { Scenario } from './scenario.ts';
import { drawScenario } from './swarm.ts';

export interface SavedScenario {
  /** What it once showed, and at which oracle. */
  found: { oracle: string; what: string };
  scenario: Scenario;
}

export function saveScenario(file: string, saved: SavedScenario): void {
  writeFileSync(file, `${JSON.stringify(saved, undefined, 2)}\n`);
}

/** Options that came after it was saved are as in a calm world. */
export function loadScenario(file: string): SavedScenario {
  const { found, scenario } = readJson(file) as Partial<SavedScenario>;
  if (!found || !scenario?.runs || !scenario.slaves || !scenario.faults) {
    throw new YardError('input.scenario', `${file} holds no scenario`, {
      hint: 'write one with --save FILE',
    });
  }
  const calm = drawScenario(scenario.seed, { profile: 'calm' });
  return {
    found,
    scenario: {
      ...calm,
      // Left out by shrinking: what a seed would draw here is not what was saved.
      isRead: false,
      buggify: undefined,
      drainsAfter: undefined,
      ...scenario,
      net: { ...calm.net, ...scenario.net },
      disk: { ...calm.disk, ...scenario.disk },
    },
  };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new YardError('input.scenario', `${file} cannot be read: ${messageOf(error)}`);
  }
}
