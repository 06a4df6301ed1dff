#!/usr/bin/env node
// Draws the machines anew into the documents that show them; run it after a machine has changed.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// What draws is part of the program: bring the build up to date first.
const setup = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], { stdio: 'inherit' });
if (setup.status !== 0) process.exit(setup.status ?? 1);
const { withDrawings } = await import('../dist/machines/draw.js');

const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
for (const name of ['README.md', ...docs.map((doc) => join('docs', doc))]) {
  const path = join(root, name);
  const before = readFileSync(path, 'utf8');
  const after = withDrawings(before);
  if (after === before) continue;
  writeFileSync(path, after);
  console.log(`drawn anew: ${name}`);
}
