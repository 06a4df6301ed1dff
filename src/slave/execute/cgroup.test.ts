import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ownGroup, probeCgroup } from './cgroup.ts';

const UNIFIED = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
const HYBRID =
  '40 31 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n' +
  '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n';

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'cgroup-test-'))));
afterEach(() => rmSync(root, { recursive: true }));

test.each([
  [
    'under systemd',
    UNIFIED,
    '0::/system.slice/yard.service\n',
    '/sys/fs/cgroup/system.slice/yard.service',
  ],
  ['in a container', UNIFIED, '0::/\n', '/sys/fs/cgroup/'],
  ['beside version 1', HYBRID, '8:pids:/jobs\n0::/\n', '/sys/fs/cgroup/unified/'],
  ['mounted in part', '1 2 0:3 /a /c\\040g rw - cgroup2 x rw\n', '0::/a/b\n', '/c g/b'],
  ['mounted, but not our part', '1 2 0:3 /a /cg rw - cgroup2 x rw\n', '0::/ab\n', undefined],
  ['outside of our namespace', UNIFIED, '0::/../other\n', undefined],
  ['version 1 alone', HYBRID.split('\n')[0]!, '8:pids:/jobs\n', undefined],
  ['nothing of it', '', '', undefined],
])('our own group, %s', (_, mounts, own, expected) => {
  expect(ownGroup(mounts, own)).toBe(expected);
});

test('a directory that is no cgroup, one that may not be written, and none at all are not taken', async () => {
  const plain = join(root, 'plain');
  mkdirSync(plain);
  expect(await probe(plain)).toBeUndefined();
  expect(readdirSync(plain)).toEqual([]);
  writeFileSync(join(root, 'file'), '');
  expect(await probe(join(root, 'file'))).toBeUndefined();
  expect(await probe(join(root, 'absent'))).toBeUndefined();
  expect(await probeCgroup('/bin/sh', { mounts: '/no/such', own: '/no/such' })).toBeUndefined();
  expect(await probe('/proc')).toBeUndefined();
});

test('a shell that survives the kill of its group shows that it is not killed', async () => {
  // As before Linux 5.14, or where the file is there and does nothing.
  const shell = join(root, 'shell');
  writeFileSync(shell, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const parent = await probeCgroup('/bin/sh');
  if (parent !== undefined) expect(await probeCgroup(shell)).toBeUndefined();
  expect(await probeCgroup(join(root, 'no-shell'))).toBeUndefined();
});

test('on this machine the answer is what a person finds by hand', async () => {
  const parent = await probeCgroup('/bin/sh');
  expect(parent !== undefined).toBe(triedByHand());
  if (parent === undefined) return;
  expect(existsSync(join(parent, 'cgroup.procs'))).toBe(true);
});

function probe(directory: string): Promise<string | undefined> {
  const files = { mounts: join(root, 'mountinfo'), own: join(root, 'own') };
  writeFileSync(files.mounts, `1 2 0:3 / ${directory} rw - cgroup2 cgroup2 rw\n`);
  writeFileSync(files.own, '0::/\n');
  return probeCgroup('/bin/sh', files);
}

/** Makes a group below our own, kills a process in it, and removes it. */
function triedByHand(): boolean {
  const script = `set -e
    mount=$(sed -n 's/.* \\([^ ]*\\) rw.* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -n 1)
    group="$mount$(sed -n 's/^0:://p' /proc/self/cgroup)/runyard-by-hand-$$"
    mkdir "$group"
    trap 'rmdir "$group"' EXIT
    sleep 60 & echo $! >"$group/cgroup.procs"
    echo 1 >"$group/cgroup.kill"
    wait $! || test $? -eq 137`;
  try {
    execFileSync('/bin/sh', ['-c', script], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
