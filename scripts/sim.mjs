/**
 * Builds the simulator with the sources that it runs, then runs it: `npm run sim -- --seed N`, or
 * another of its programs: `node scripts/sim.mjs mutants`.
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const PROGRAMS = { coverage: 'branches/main.js', mutants: 'mutants/main.js' };

const root = resolve(import.meta.dirname ?? '.', '..');
const run = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status;
const [name, ...rest] = process.argv.slice(2);
const given = name in PROGRAMS ? rest : process.argv.slice(2);

const isReady =
  run(join(root, 'scripts', 'setup.mjs')) === 0 &&
  run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.sim.json') === 0;
const main = join(root, 'dist-sim', 'test', 'sim', PROGRAMS[name] ?? 'main.js');
process.exitCode = isReady ? (run(main, ...given) ?? 1) : 1;
