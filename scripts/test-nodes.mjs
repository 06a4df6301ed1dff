/**
 * Runs the tests once under each Node that must work, and plays the same seeds of the simulator:
 * each must come to the same traces. `--sim` plays the seeds only. npm's `node` package would fetch the program
 * by an install script; the packages that it fetches hold it, and need none.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isSimOnly = process.argv.includes('--sim');
const given = process.argv.slice(2).filter((word) => word !== '--sim');
const name = `node-${process.platform}-${process.arch}`;
const failed = [];
const hashes = new Map();
const SEEDS = '1..60';

/** A hash over the traces of some seeds, as that Node plays them; undefined: it could not. */
function traceHash(node) {
  const simulator = join(root, 'dist-sim', 'test', 'sim', 'main.js');
  const flags = ['--seeds', SEEDS, '--workers', '1', '--keep-going', '-o', 'json'];
  const { stdout, stderr } = spawnSync(node, [simulator, ...flags], { encoding: 'utf8' });
  try {
    return JSON.parse(stdout).hash;
  } catch {
    process.stdout.write(`${stderr}\n`);
    return undefined;
  }
}

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const build = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.sim.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (build.status !== 0) process.exit(1);

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
  const tests = join(root, 'node_modules/vitest/vitest.mjs');
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  const { status } = isSimOnly
    ? { status: 0 }
    : spawnSync(node, [tests, 'run'], { cwd: root, stdio: 'inherit', env });
  const hash = traceHash(node);
  process.stdout.write(`simulator, seeds ${SEEDS}: hash ${hash ?? 'of none'}\n`);
  hashes.set(version, hash);
  if (status !== 0 || hash === undefined) failed.push(version);
  rmSync(directory, { recursive: true, force: true });
}
if (new Set(hashes.values()).size > 1) {
  failed.push('the traces of the simulator, which differ');
}
process.stdout.write(
  failed.length === 0 ? '\nall of them pass\n' : `\nfailed: ${failed.join(', ')}\n`,
);
process.exit(failed.length);
