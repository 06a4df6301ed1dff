import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { playTwice } from './play.ts';
import { loadScenario } from './saved.ts';

const directory = join(import.meta.dirname, 'regressions');

test.each(readdirSync(directory).filter((name) => name.endsWith('.json')))(
  'what %s once showed is not there any more',
  async (name) => {
    const { scenario } = loadScenario(join(directory, name));
    const { violations, events } = await playTwice(scenario);
    expect(violations).toEqual([]);
    expect(events).toBeGreaterThan(100);
  },
);
