/** All checks of a change but its tests: each is run, whatever became of those before it. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? '.', '..');

const STEPS = [
  ['types', 'tsc', '-p', '.', '--noEmit'],
  ['page', 'tsc', '-p', 'src/web', '--noEmit'],
  ['lint', 'oxlint', '--type-aware'],
  ['format', 'oxfmt', '--check', '.'],
  ['tidy', 'vitest', 'run', 'test/tidy.test.ts'],
  ['unused', 'knip'],
];

const setup = join(root, 'scripts', 'setup.mjs');
if (spawnSync(process.execPath, [setup], { stdio: 'inherit' }).status !== 0) process.exit(1);

const results = STEPS.map(([name, command, ...args]) => {
  process.stdout.write(`\n== ${name}: ${command} ${args.join(' ')}\n`);
  const startedAt = process.hrtime.bigint();
  const file = join(root, 'node_modules', '.bin', command);
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: 'inherit' });
  if (error) process.stdout.write(`${command} cannot be started: ${error.message}\n`);
  const ms = Number((process.hrtime.bigint() - startedAt) / 1_000_000n);
  return { name, isGood: status === 0, ms };
});

process.stdout.write('\n');
for (const { name, isGood, ms } of results) {
  const time = `${(ms / 1000).toFixed(1)}s`;
  process.stdout.write(`${isGood ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)}${time.padStart(7)}\n`);
}
process.exitCode = results.every(({ isGood }) => isGood) ? 0 : 1;
