import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { chaosRound } from './chaos.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli/runyard.js');

test('a few kills, cuts and stops of real processes break no promise', async () => {
  const { violations, cycles, runs, started } = await chaosRound({
    cli: CLI,
    seed: 1,
    cycles: 4,
    forMs: Infinity,
    outageMsMax: 2500,
    gapMsMax: 500,
    concurrency: 4,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  expect(violations).toEqual([]);
  expect(cycles).toBe(4);
  expect(runs).toBeGreaterThan(5);
  expect(started).toBeGreaterThan(5);
}, 240_000);
