import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canMount, contentOf, mountTmpfs, openAt, optionsOf, treeOf } from './level-fixture.ts';
import type { Mount } from './level-fixture.ts';
import { makeLevelStore } from './level.ts';

describe('where the file system allows no more', () => {
  const isPossible = canMount();
  if (!isPossible) console.error('SKIPPED: read-only and full disks, since mount is not permitted');
  let mount: Mount;
  beforeEach(() => void (isPossible && (mount = mountTmpfs('24m'))));
  afterEach(() => void (isPossible && mount.remove()));

  test.skipIf(!isPossible)('a read-only one is named, for an old and for a new state', async () => {
    const old = join(mount.path, 'old');
    await (await openAt(old)).store.close();
    mount.remount('ro');
    const before = treeOf(mount.path);
    for (const directory of [old, join(mount.path, 'new')]) {
      const store = makeLevelStore(optionsOf(directory));
      await expect(store.open()).rejects.toMatchObject({ code: 'store.readonly' });
    }
    expect(treeOf(mount.path)).toEqual(before);
    mount.remount('rw');
  });

  test.skipIf(!isPossible)('a full one is named at the start', async () => {
    const directory = join(mount.path, 'state');
    const first = await openAt(directory);
    for (let i = 0; i < 5; i++) {
      const ops = [{ put: `k${i}`, value: Buffer.alloc(2 ** 20, i) }];
      await first.store.commit({ fence: first.fence, ops });
    }
    await first.store.close();
    fill(join(mount.path, 'ballast'));
    const before = treeOf(directory);
    const store = makeLevelStore(optionsOf(directory));
    await expect(store.open()).rejects.toMatchObject({ code: 'store.full' });
    expect(treeOf(directory)).toEqual(before);
    rmSync(join(mount.path, 'ballast'));
    const again = await openAt(directory);
    expect([...(await contentOf(again.store)).keys()]).toEqual(['k0', 'k1', 'k2', 'k3', 'k4']);
    await again.store.close();
  });

  test.skipIf(!isPossible)(
    'a write that fails is the last, and nothing acknowledged is lost',
    async () => {
      const directory = join(mount.path, 'state');
      const { store, fence } = await openAt(directory);
      const acknowledged: string[] = [];
      const failures: unknown[] = [];
      for (let i = 0; failures.length === 0; i++) {
        const burst = [0, 1, 2].map(async (j) => {
          const key = `k${String(i).padStart(3, '0')}-${j}`;
          try {
            await store.commit({ fence, ops: [{ put: key, value: Buffer.alloc(2 ** 18, i) }] });
            acknowledged.push(key);
          } catch (error) {
            failures.push(error);
          }
        });
        await Promise.all(burst);
      }
      const full = { code: 'store.full' };
      for (const failure of failures) expect(failure).toMatchObject(full);
      await expect(store.commit({ fence, ops: [] })).rejects.toMatchObject(full);
      await expect(store.leases.acquire('all', 'x', 1)).rejects.toMatchObject(full);
      expect((await store.health()).writable).toBe(false);
      expect(await store.get(acknowledged[0]!)).toBeDefined();
      await store.close();

      mount.remount('size=128m');
      const again = await openAt(directory);
      const keys = [...(await contentOf(again.store)).keys()];
      expect(acknowledged.length).toBeGreaterThan(10);
      expect(keys).toEqual(expect.arrayContaining(acknowledged));
      await again.store.commit({ fence: again.fence, ops: [put('after', 'x')] });
      await again.store.close();
    },
  );
});

function put(key: string, text: string) {
  return { put: key, value: Buffer.from(text) };
}

/** Writes a file until nothing more fits. */
function fill(path: string): void {
  const descriptor = openSync(path, 'w');
  const block = new Uint8Array(4096);
  try {
    for (;;) writeSync(descriptor, block);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(descriptor);
  }
}
