/**
 * Builds the simulator with the sources that it runs, then runs it: `npm run sim -- --seed N`, or
 * another of its programs: `node scripts/sim.mjs mutants`. With `--commit C` those of that commit.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PROGRAMS = { coverage: 'branches/main.js', mutants: 'mutants/main.js' };
/**
 * Four times Node's nursery: most of what a simulated event makes is garbage at once. And few full
 * collections: with the closures of the last world goes what the compiler made of them.
 */
const FLAGS = [
  '--max-semi-space-size=64',
  '--initial-old-space-size=512',
  '--no-flush-bytecode',
  '--single-threaded-gc',
];

const root = resolve(import.meta.dirname ?? '.', '..');
const words = process.argv.slice(2);
const program = words[0] in PROGRAMS ? PROGRAMS[words.shift()] : 'main.js';
const at = words.indexOf('--commit');
const [, commit] = at === -1 ? [] : words.splice(at, 2);

function run(file, args, cwd) {
  return spawnSync(file, args, { cwd, stdio: 'inherit' }).status ?? 1;
}

/** Builds what is in the directory, and plays it. */
function play(directory) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const built = run(process.execPath, [tsc, '-p', 'tsconfig.sim.json'], directory);
  const main = join(directory, 'dist-sim', 'test', 'sim', program);
  return built === 0 ? run(process.execPath, [...FLAGS, main, ...words], root) : 1;
}

/** In a work tree of its own, with the packages that are installed here. */
function playCommit() {
  const directory = join(mkdtempSync(join(tmpdir(), 'runyard-sim-')), 'tree');
  const added = run('git', ['worktree', 'add', '--quiet', '--detach', directory, commit], root);
  if (added !== 0) return 64;
  try {
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir');
    return play(directory);
  } finally {
    run('git', ['worktree', 'remove', '--force', directory], root);
  }
}

const isReady = run(process.execPath, [join(root, 'scripts', 'setup.mjs')], root) === 0;
if (!isReady) process.exitCode = 1;
else process.exitCode = commit === undefined ? play(root) : playCommit();
