/** Runs the tests once under each Node that must work; npm's `node` package brings them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const versions = process.argv.slice(2);
let failed = 0;
for (const version of versions.length > 0 ? versions : ['20', '22', '24', '26']) {
  const directory = mkdtempSync(join(tmpdir(), `runyard-node-${version}-`));
  const install = [
    'install',
    '--no-save',
    '--prefix',
    directory,
    '--ignore-scripts',
    `node@${version}`,
  ];
  const bin = join(
    directory,
    'node_modules',
    `node-bin-${process.platform}-${process.arch}`,
    'bin',
  );
  const installed = spawnSync('npm', install, { cwd: directory, encoding: 'utf8' });
  // The package itself only picks the platform's; that one holds the program.
  const platform = `node-${process.platform}-${process.arch}`;
  const found = spawnSync('find', [directory, '-name', 'node', '-path', '*bin*', '-type', 'f'], {
    encoding: 'utf8',
  });
  const node =
    found.stdout.split('\n').find((path) => path.includes(platform)) ?? join(bin, 'node');
  process.stdout.write(`\n== Node ${version}\n`);
  if (installed.status !== 0) process.stdout.write(installed.stderr);
  const { status } = spawnSync(node, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  if (status !== 0) failed++;
  rmSync(directory, { recursive: true, force: true });
}
process.exit(failed);
