import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linkKey } from './chain.ts';
import { canMount, contentOf, mountTmpfs, openAt, optionsOf, treeOf } from './level-fixture.ts';
import type { Mount } from './level-fixture.ts';
import { checkLevelStore, makeLevelStore } from './level.ts';

let root: string;
let state: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'runyard-opening-test-'));
  state = join(root, 'deep', 'state');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('a first start', () => {
  test('makes the directory, and what was committed is there on the next', async () => {
    expect(await checkLevelStore(optionsOf(state))).toEqual({ rev: 0, entries: 0 });
    expect(existsSync(state)).toBe(false);
    const first = await openAt(state);
    await first.store.commit({ fence: first.fence, ops: [put('a', '1')] });
    await first.store.close();
    const second = await openAt(state);
    expect(await contentOf(second.store)).toEqual(new Map([['a', '1']]));
    expect(second.fence.epoch).toBe(first.fence.epoch + 1);
    await second.store.close();
    expect(existsSync(join(state, 'lock'))).toBe(false);
    expect(existsSync(join(state, 'db.trial'))).toBe(false);
  });

  test('takes a directory that holds only what a repository keeps', async () => {
    mkdirSync(state, { recursive: true });
    writeFileSync(join(state, 'README.md'), 'about');
    const { store } = await openAt(state);
    await store.close();
    expect(readFileSync(join(state, 'README.md'), 'utf8')).toBe('about');
  });

  test('that was interrupted is finished by the next', async () => {
    await (await openAt(state)).store.close();
    const marker = JSON.parse(readFileSync(join(state, 'RUNYARD'), 'utf8')) as object;
    for (const remains of [[], ['db'], ['db', 'witness']]) {
      rmSync(join(state, 'db'), { recursive: true, force: true });
      rmSync(join(state, 'witness'), { force: true });
      writeFileSync(join(state, 'RUNYARD'), JSON.stringify({ ...marker, creating: true }));
      if (remains.includes('db')) await changeRaw(async () => {});
      if (remains.includes('witness')) writeFileSync(join(state, 'witness'), '');
      if (remains.length === 0) mkdirSync(join(state, 'db'));
      const { store } = await openAt(state);
      await store.close();
      expect(JSON.parse(readFileSync(join(state, 'RUNYARD'), 'utf8'))).not.toHaveProperty(
        'creating',
      );
    }
  });

  test('that claims to be unfinished, but has records, is refused', async () => {
    const { store } = await openAt(state);
    await store.close();
    const path = join(state, 'RUNYARD');
    const marker = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...marker, creating: true }));
    await expect(makeLevelStore(optionsOf(state)).open()).rejects.toMatchObject({
      code: 'store.corrupt',
    });
  });
});

describe('what is not ours is refused and left alone', () => {
  test('a directory with other files', async () => {
    mkdirSync(join(state, 'photos'), { recursive: true });
    await expectRefusal('store.foreign');
    expect(existsSync(join(state, 'lock'))).toBe(false);
  });

  test('a file', async () => {
    mkdirSync(join(root, 'deep'));
    writeFileSync(state, 'a file');
    const before = treeOf(root);
    await expect(makeLevelStore(optionsOf(state)).open()).rejects.toMatchObject({
      code: 'store.foreign',
      message: expect.stringContaining('is not a directory'),
    });
    expect(treeOf(root)).toEqual(before);
  });

  test('a state directory below a file', async () => {
    writeFileSync(join(root, 'deep'), 'a file');
    await expect(makeLevelStore(optionsOf(state)).open()).rejects.toMatchObject({
      code: 'store.foreign',
    });
  });

  test('another program’s marker', async () => {
    mkdirSync(state, { recursive: true });
    writeFileSync(join(state, 'RUNYARD'), '{"format":"something else","schema":1}');
    await expectRefusal('store.foreign');
  });

  test('the state of a newer release', async () => {
    await (await openAt(state)).store.close();
    const path = join(state, 'RUNYARD');
    const marker = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...marker, schema: 7 }));
    const error = await expectRefusal('store.schema_newer');
    expect(error.message).toContain('store.schema_newer: 7>1');
  });
});

test('two masters do not open one state: the second is told who has it', async () => {
  const { store } = await openAt(state);
  const second = makeLevelStore(optionsOf(state));
  await expect(second.open()).rejects.toMatchObject({
    code: 'store.locked',
    message: expect.stringMatching(
      new RegExp(`by pid ${process.pid} since \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d`),
    ),
  });
  await expect(checkLevelStore(optionsOf(state))).rejects.toMatchObject({ code: 'store.locked' });
  await store.close();
  await (await openAt(state)).store.close();
});

test('who got past our lock still meets that of LevelDB', async () => {
  const { store } = await openAt(state);
  rmSync(join(state, 'lock'));
  await expect(makeLevelStore(optionsOf(state)).open()).rejects.toMatchObject({
    code: 'store.locked',
  });
  await store.close();
});

test('the oldest links of the chain are pruned, and a hole is still found', async () => {
  const { store, fence } = await openAt(state, { linksKept: 100 });
  for (let i = 0; i < 2500; i++) await store.commit({ fence, ops: [put('k', String(i))] });
  await store.close();
  expect(await linksKept()).toEqual({ first: 2049, last: 2501 });
  const again = await openAt(state, { linksKept: 100 });
  for (let i = 0; i < 700; i++)
    await again.store.commit({ fence: again.fence, ops: [put('k', '')] });
  await again.store.close();
  expect(await linksKept()).toEqual({ first: 3073, last: 3202 });
  await changeRaw((level) => level.del(linkKey(3073)));
  await expectRefusal('store.gap');
});

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

async function expectRefusal(code: string): Promise<Error> {
  const before = treeOf(state);
  const thrown: unknown = await makeLevelStore(optionsOf(state))
    .open()
    .catch((error: unknown) => error);
  expect(thrown).toMatchObject({ code });
  expect(treeOf(state)).toEqual(before);
  return thrown as Error;
}

type Raw = ClassicLevel<string, Buffer>;

/** Works on the database past the store. */
async function changeRaw(work: (level: Raw) => Promise<unknown>): Promise<void> {
  const level: Raw = new ClassicLevel(join(state, 'db'), { valueEncoding: 'buffer' });
  await level.open();
  await work(level);
  await level.close();
}

/** The groups whose links are there. */
async function linksKept(): Promise<{ first: number; last: number }> {
  let groups: number[] = [];
  await changeRaw(async (level) => {
    const keys = await level.keys({ gte: linkKey(0), lt: linkKey(1e9) }).all();
    groups = keys.map((key) => Number(key.slice(2)));
  });
  expect(groups).toEqual(groups.map((_, i) => groups[0]! + i));
  return { first: groups[0]!, last: groups.at(-1)! };
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
