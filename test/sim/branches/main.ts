/**
 * `npm run sim:coverage`: how much of what decides is reached by simulation alone, and what faults
 * struck.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Hits } from '../hits.ts';
import { armsOf } from './arms.ts';
import type { Arm } from './arms.ts';
import { isTaken, readCounts } from './counts.ts';
import { missedOf, tableOf } from './strikes.ts';

const HELP = `usage: npm run sim:coverage -- [--seeds A..B] [--workers N] [--least PERCENT] [-o json]

Counts the ways taken at each branch of the machines and of the decisions of master and slave,
names those never taken, and tells which faults struck runs in which states. Ends with status 1
below --least (default 0).`;

/** What decides, and touches nothing: every branch of it should be within a simulation's reach. */
const CORE = [
  ...['agent', 'job', 'retry', 'run', 'run-changes', 'run-guards', 'slave'].map(
    (name) => `machines/${name}`,
  ),
  ...[
    'assignments',
    'deadlines',
    'exclusive',
    'greeting',
    'handshake',
    'hub',
    'leases',
    'ledger',
  ].map((name) => `master/${name}`),
  ...['placement', 'reports', 'sessions', 'yard'].map((name) => `master/${name}`),
  ...['agent', 'attempt', 'exclusive', 'held', 'resend'].map((name) => `slave/${name}`),
];

interface FileReport {
  file: string;
  taken: number;
  arms: number;
  /** Where in the source, and what stands there. */
  missed: { line: number; kind: Arm['kind']; text: string }[];
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1..500' },
      workers: { type: 'string', default: String(availableParallelism()) },
      least: { type: 'string', default: '0' },
      output: { type: 'string', short: 'o', default: 'text' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const root = resolve(import.meta.dirname, '..', '..', '..', '..');
  const into = mkdtempSync(join(tmpdir(), 'runyard-coverage-'));
  try {
    const hits = playInto(root, into, values.seeds, values.workers);
    const counts = readCounts(into);
    const files = CORE.map((name) => reportOf(root, name, counts));
    const [taken, arms] = [sum(files, 'taken'), sum(files, 'arms')];
    const percent = (100 * taken) / arms;
    if (values.output === 'json') say(JSON.stringify({ percent, taken, arms, files, hits }));
    else present(files, hits, `${percent.toFixed(1)} % (${taken} of ${arms})`);
    return percent < Number(values.least) ? 1 : 0;
  } finally {
    rmSync(into, { recursive: true, force: true });
  }
}

function playInto(root: string, into: string, seeds: string, workers: string): Hits {
  const program = join(root, 'dist-sim', 'test', 'sim', 'main.js');
  const flags = ['--workers', workers, '--keep-going', '--hits', '-o', 'json'];
  const { status, stdout } = spawnSync(process.execPath, [program, '--seeds', seeds, ...flags], {
    env: { ...process.env, NODE_V8_COVERAGE: into },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0 && status !== 1) throw new Error(`the simulator ended with ${status}`);
  return (JSON.parse(stdout) as { hits: Hits }).hits;
}

function reportOf(root: string, name: string, counts: ReturnType<typeof readCounts>): FileReport {
  const path = join(root, 'dist-sim', 'src', `${name}.js`);
  const text = readFileSync(path, 'utf8');
  const map = new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')) as never);
  const source = readFileSync(join(root, 'src', `${name}.ts`), 'utf8').split('\n');
  const its = counts.get(path) ?? [];
  const arms = armsOf(text);
  const missed = arms.filter((arm) => !isTaken(arm, its));
  return {
    file: `src/${name}.ts`,
    arms: arms.length,
    taken: arms.length - missed.length,
    missed: missed.map(({ kind, at }) => {
      const before = text.slice(0, at).split('\n');
      const entry = map.findEntry(before.length - 1, before.at(-1)!.length);
      const line = 'originalLine' in entry ? entry.originalLine : 0;
      return { line: line + 1, kind, text: source[line]?.trim() ?? '' };
    }),
  };
}

function sum(files: readonly FileReport[], of: 'taken' | 'arms'): number {
  return files.reduce((total, file) => total + file[of], 0);
}

function present(files: readonly FileReport[], hits: Hits, total: string): void {
  for (const { file, taken, arms, missed } of files) {
    say(`${file.padEnd(28)} ${String(taken).padStart(4)} of ${String(arms).padStart(4)}`);
    for (const { line, kind, text } of missed) say(`    ${file}:${line} ${kind}: ${text}`);
  }
  say(`branches: ${total}\n`);
  for (const line of tableOf(hits)) say(line);
  for (const line of missedOf(hits)) say(line);
}

process.exitCode = main();
