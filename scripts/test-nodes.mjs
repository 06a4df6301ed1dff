/**
 * Runs the tests once under each Node that must work. npm's `node` package would fetch the program
 * by an install script; the packages that it fetches hold it, and need none.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const given = process.argv.slice(2);
const name = `node-${process.platform}-${process.arch}`;
const failed = [];

for (const version of given.length > 0 ? given : ['20', '22', '24', '26']) {
  const directory = mkdtempSync(join(tmpdir(), `runyard-node-${version}-`));
  const install = ['install', '--no-save', '--ignore-scripts', '--prefix', directory];
  const installed = spawnSync('npm', [...install, `${name}@${version}`], {
    cwd: directory,
    encoding: 'utf8',
  });
  const bin = join(directory, 'node_modules', name, 'bin');
  const node = join(bin, 'node');
  const said = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  process.stdout.write(`\n== Node ${version}: ${said.trim() || `not here: ${installed.stderr}`}\n`);
  const { status } = spawnSync(node, [join(root, 'node_modules/vitest/vitest.mjs'), 'run'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  if (status !== 0) failed.push(version);
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(
  failed.length === 0 ? '\nall of them pass\n' : `\nfailed: ${failed.join(', ')}\n`,
);
process.exit(failed.length);
