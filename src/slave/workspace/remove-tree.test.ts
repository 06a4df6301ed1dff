import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeTree } from './remove-tree.ts';

let work: string;
let tree: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'runyard-remove-test-'));
  tree = join(work, 'tree');
  mkdirSync(tree);
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

test('files, directories, names of any bytes and pipes are removed', async () => {
  mkdirSync(join(tree, 'a/b/c'), { recursive: true });
  for (let i = 0; i < 100; i++) writeFileSync(join(tree, 'a/b', `f${i}`), 'x');
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x0a])]), 'x');
  mkdirSync(Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0xfe])]));
  expect(spawnSync('mkfifo', [join(tree, 'pipe')]).status).toBe(0);
  await removeTree(tree);

  expect(existsSync(tree)).toBe(false);
});

test('links are removed and never followed, at the root as little as below', async () => {
  const marker = join(work, 'marker');
  mkdirSync(marker);
  writeFileSync(join(marker, 'file'), 'kept');
  symlinkSync(marker, join(tree, 'link'));
  symlinkSync('../marker', join(tree, 'relative'));
  await removeTree(tree);
  symlinkSync(marker, tree);
  await removeTree(tree);

  expect(existsSync(tree)).toBe(false);
  expect(readFileSync(join(marker, 'file'), 'utf8')).toBe('kept');
});

test('nothing there is nothing to do', async () => {
  await removeTree(join(work, 'missing'));
  await removeTree(join(work, 'missing', 'below'));
});

test('a tree deeper than any path may be is removed', async () => {
  const deep = 'n=0; while [ $n -lt 60 ]; do mkdir "$1"; cd "$1"; n=$((n+1)); done; echo x > file';
  expect(spawnSync('sh', ['-c', deep, 'sh', 'd'.repeat(200)], { cwd: tree }).status).toBe(0);
  mkdirSync(join(tree, '.deep-0'));
  writeFileSync(join(tree, '.deep-0/taken'), 'x');
  writeFileSync(join(tree, '.deep-1'), 'x');
  await removeTree(tree);

  expect(existsSync(tree)).toBe(false);
});

test('directories that forbid everything are removed by their owner', async () => {
  await asOrdinaryUser(async () => {
    for (const [name, mode] of [
      ['closed', 0],
      ['readonly', 0o555],
      ['blind', 0o300],
    ] as const) {
      mkdirSync(join(tree, name, 'below/empty'), { recursive: true });
      writeFileSync(join(tree, name, 'below/file'), 'x', { mode: 0o400 });
      for (const path of ['below/empty', 'below', '']) chmodSync(join(tree, name, path), mode);
    }
    await removeTree(tree);
  });

  expect(existsSync(tree)).toBe(false);
});

/** Root is forbidden nothing, so what it may do proves nothing about other users. */
async function asOrdinaryUser(body: () => Promise<void>): Promise<void> {
  if (process.geteuid!() !== 0) return body();
  for (const path of [work, tree]) chownSync(path, 65534, 65534);
  process.seteuid!(65534);
  try {
    await body();
  } finally {
    process.seteuid!(0);
  }
}
