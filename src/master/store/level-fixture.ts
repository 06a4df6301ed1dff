import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pid } from 'node:process';
import { systemClock } from '../../base/clock.ts';
import type { YardError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { makeLevelStore } from './level.ts';
import type { LevelStoreOptions } from './level.ts';
import type { Fence, StateStore } from './port.ts';
import { openReadOnly } from './read-only.ts';

export function optionsOf(directory: string): LevelStoreOptions {
  return { directory, clock: systemClock, random: systemRandom, pid };
}

/** Reads a whole state that no master has open, as fsck does; throws the first fault. */
export async function checkAt(directory: string): Promise<{ rev: number; entries: number }> {
  const onFault = (fault: YardError) => {
    throw fault;
  };
  const opened = await openReadOnly(directory, {
    ...optionsOf(directory),
    scratch: tmpdir(),
    onFault,
  });
  const { rev, entries } = opened!;
  await opened!.close();
  return { rev, entries };
}

export async function openAt(
  directory: string,
  more: Partial<LevelStoreOptions> = {},
): Promise<{ store: StateStore; fence: Fence }> {
  const store = makeLevelStore({ ...optionsOf(directory), ...more });
  await store.open();
  return { store, fence: (await store.leases.acquire('all', 'a test', 1000))! };
}

/** Every text in the store, by its key. */
export async function contentOf(store: StateStore): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for await (const { key, value } of store.scan({})) {
    content.set(key, Buffer.from(value).toString('latin1'));
  }
  return content;
}

/** Name, mode and digest of all that is below a directory. */
export function treeOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
  return names.map((name) => {
    const path = join(directory, name);
    const { mode } = lstatSync(path);
    if (lstatSync(path).isDirectory()) return `${name} ${mode}`;
    return `${name} ${mode} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
  });
}

export interface Mount {
  path: string;
  /** Mounts it anew with other options, its files kept. */
  remount: (options: string) => void;
  remove: () => void;
}

/** A small file system of its own. */
export function mountTmpfs(size: string): Mount {
  const path = mkdtempSync(join(tmpdir(), 'runyard-store-mount-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', path]);
  return {
    path,
    remount: (options) => void execFileSync('mount', ['-o', `remount,${options}`, path]),
    remove() {
      // Lazily: a test that failed may have left files open.
      execFileSync('umount', ['-l', path]);
      rmSync(path, { recursive: true });
    },
  };
}

export function canMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'runyard-store-mount-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', 'none', path]).status === 0;
  if (isMounted) execFileSync('umount', [path]);
  rmSync(path, { recursive: true });
  return isMounted;
}
