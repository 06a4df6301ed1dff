/** Builds what chaos needs, then runs it: `npm run chaos -- --minutes 10`. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? '.', '..');
const run = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status;

const isReady =
  run(join(root, 'scripts', 'setup.mjs')) === 0 &&
  run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.sim.json') === 0;
const main = join(root, 'dist-sim', 'test', 'chaos', 'main.js');
process.exitCode = isReady ? (run(main, ...process.argv.slice(2)) ?? 1) : 1;
