import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { collectArtifacts } from './artifacts.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'runyard-artifacts-test-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('every regular file is there, by its relative name, with size and digest', async () => {
  mkdirSync(join(dir, 'reports/deep'), { recursive: true });
  const big = 'y'.repeat(1_300_000);
  for (const [name, text] of [
    ['b.txt', 'b'],
    ['reports/deep/a.xml', big],
    ['empty', ''],
  ] as const) {
    writeFileSync(join(dir, name), text);
  }
  const artifacts = await collectArtifacts(dir);

  expect(artifacts).toEqual([
    { name: 'b.txt', bytes: 1, sha256: sha256('b'), path: join(dir, 'b.txt') },
    { name: 'empty', bytes: 0, sha256: sha256(''), path: join(dir, 'empty') },
    {
      name: 'reports/deep/a.xml',
      bytes: big.length,
      sha256: sha256(big),
      path: join(dir, 'reports/deep/a.xml'),
    },
  ]);
});

test('links, pipes and empty directories are no artifacts, and no link is followed', async () => {
  writeFileSync(join(dir, 'file'), 'x');
  mkdirSync(join(dir, 'directory'));
  symlinkSync('/etc/passwd', join(dir, 'link'));
  symlinkSync('/etc', join(dir, 'etc'));
  symlinkSync('file', join(dir, 'inner'));
  expect(spawnSync('mkfifo', [join(dir, 'pipe')]).status).toBe(0);

  expect((await collectArtifacts(dir)).map(({ name }) => name)).toEqual(['file']);
});

test('a link or a file in the place of the directory, or nothing, holds no artifacts', async () => {
  symlinkSync('/etc', join(dir, 'link'));
  writeFileSync(join(dir, 'file'), 'x');

  for (const name of ['link', 'file', 'missing']) {
    expect(await collectArtifacts(join(dir, name))).toEqual([]);
  }
});

test('a thousand files are collected and one more is refused', async () => {
  for (let i = 0; i < 1000; i++) writeFileSync(join(dir, `f${i}`), '');
  expect(await collectArtifacts(dir)).toHaveLength(1000);
  writeFileSync(join(dir, 'one-more'), '');

  await expect(collectArtifacts(dir)).rejects.toMatchObject({ code: 'artifact.too_many' });
});

test('a file above 1 GiB is refused without being read', async () => {
  writeFileSync(join(dir, 'big'), '');
  truncateSync(join(dir, 'big'), 2 ** 30 + 1);

  await expect(collectArtifacts(dir)).rejects.toMatchObject({
    code: 'artifact.too_large',
    what: '"big" has more than 1073741824 bytes',
  });
});

test.each([['a\nb'], ['a\u001b[31m'], ['a\u009b'], ['a\u202eb'], [Buffer.from([0x61, 0xff])]])(
  'the name %j is refused',
  async (name) => {
    mkdirSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]));

    await expect(collectArtifacts(dir)).rejects.toMatchObject({ code: 'artifact.name' });
  },
);

test('a file that forbids reading is an error of the task', async () => {
  writeFileSync(join(dir, 'closed'), 'x');
  await asOrdinaryUser(async () => {
    chmodSync(join(dir, 'closed'), 0);

    await expect(collectArtifacts(dir)).rejects.toMatchObject({ code: 'artifact.unreadable' });
  });
});

/** Root is forbidden nothing. */
async function asOrdinaryUser(body: () => Promise<void>): Promise<void> {
  if (process.geteuid!() !== 0) return body();
  for (const path of [dir, join(dir, 'closed')]) chownSync(path, 65534, 65534);
  process.seteuid!(65534);
  try {
    await body();
  } finally {
    process.seteuid!(0);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
