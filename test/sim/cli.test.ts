import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from './cli.ts';
import { HELP } from './args.ts';
import type { SavedScenario } from './saved.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-sim-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function sim(line: string) {
  const lines: string[] = [];
  const told: string[] = [];
  const status = await runCli(line.split(' '), {
    say: (text) => void lines.push(text),
    tell: (text) => void told.push(text),
    isTerminal: false,
  });
  return { status, lines, told: told.join('') };
}

test('--help tells every option, with examples', async () => {
  const { status, lines } = await sim('--help');
  expect(status).toBe(0);
  expect(lines).toEqual([HELP]);
});

test.each([
  ['--seed x', '--seed x is no number'],
  ['--seeds 5', '--seeds 5'],
  ['--seeds 5..4', '--seeds 5..4 is empty'],
  ['--seed 1 --seeds 1..2', 'give one of --seed, --seeds and --scenario'],
  ['--seeds 1..2 --timeline', '--timeline, --shrink and --save are about one seed'],
  ['--seed 1 --profile bad', '--profile bad is none of calm, master, everything'],
  ['--seed 1 --workers 0', '--workers 0 is no number from 1 on'],
  ['--seed 1 -o xml', '-o xml is unknown'],
  ['--sed 1', "Unknown option '--sed'"],
  ['--scenario /nowhere.json', '/nowhere.json cannot be read'],
])('%s is refused with what to do', async (line, why) => {
  const { status, lines, told } = await sim(line);
  expect(status).toBe(64);
  expect(lines).toEqual([]);
  expect(told).toContain(`: ${why}`);
});

test('a range ends with one line of seeds, events, faults and processor time', async () => {
  const { status, lines } = await sim('--seeds 1..3 --profile calm --runs 3');
  expect(status).toBe(0);
  expect(lines.at(-1)).toMatch(
    /^3 seeds, 0 failed, \d+ events, 0 faults, [\d.]+ cluster-hours, [\d.]+ CPU-s, \d+ events per CPU-s, hash [0-9a-f]{16}$/,
  );
});

test('a range as JSON is one value, equal for equal seeds', async () => {
  const line = '--seeds 1..2 --profile calm --runs 3 -o json';
  const [first, again] = [await sim(line), await sim(line)];
  expect(first.lines).toHaveLength(1);
  const [a, b] = [first, again].map(({ lines }) => JSON.parse(lines[0]!) as object);
  expect(a).toMatchObject({ seeds: 2, failed: [], hash: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect({ ...b, cpuSeconds: 0 }).toEqual({ ...a, cpuSeconds: 0 });
});

test('a scenario that was saved is the one that is played again', async () => {
  const file = join(directory, 'saved.json');
  const first = await sim(`--seed 7 --profile master --runs 5 --save ${file}`);
  expect(first.status).toBe(0);
  const saved = JSON.parse(readFileSync(file, 'utf8')) as { found: object };
  expect(saved.found).toEqual({ oracle: 'none', what: 'all is well' });
  const again = await sim(`--scenario ${file} --timeline`);
  expect(again.status).toBe(0);
  expect(again.lines.at(-1)).toBe(first.lines.at(-1));
  expect(again.lines[0]).toMatch(/^ +\d+\.\d{6} {2}master +serves$/);
});

test('a seed that fails says how to see it again, and can be shrunk and saved', async () => {
  const file = join(directory, 'bad.json');
  await sim(`--seed 3 --profile calm --runs 2 --save ${file}`);
  const saved = JSON.parse(readFileSync(file, 'utf8')) as SavedScenario;
  const [bad] = saved.scenario.runs;
  Object.assign(bad!.request, { arch: 's390x', queueTimeoutMs: 0 });
  delete bad!.abortAtMs;
  writeFileSync(file, JSON.stringify(saved));
  const failed = await sim(`--scenario ${file}`);
  expect(failed.status).toBe(1);
  expect(failed.lines.slice(0, 2)).toEqual([
    'seed 3 FAILED',
    expect.stringMatching(/^ {2}L1 at [\d.]+ s: run \w+ is PENDING\.queued for ever/),
  ]);
  expect(failed.lines).toContain(`  again: npm run sim -- --scenario ${file}`);
  const small = join(directory, 'small.json');
  const shrunk = await sim(`--scenario ${file} --shrink --save ${small}`);
  expect(shrunk.status).toBe(1);
  expect(shrunk.lines).toContain('left: 0 faults, 1 run, 0 drains, 1 slave');
  expect((await sim(`--scenario ${small}`)).status).toBe(1);
});
