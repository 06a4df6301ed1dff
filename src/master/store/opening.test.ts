import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linkKey } from './chain.ts';
import { changeRaw } from './damage-fixture.ts';
import { pathsOf } from './directory.ts';
import { checkAt, contentOf, openAt, optionsOf, treeOf } from './level-fixture.ts';
import { makeLevelStore } from './level.ts';
import { tryOut } from './trial.ts';

let root: string;
let state: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'runyard-opening-test-'));
  state = join(root, 'deep', 'state');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('a first start', () => {
  test('makes the directory, and what was committed is there on the next', async () => {
    await expect(checkAt(state)).rejects.toMatchObject({ code: 'store.absent' });
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
      if (remains.includes('db')) await changeRaw(state, async () => {});
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
    expect(error.message).toContain('store.schema_newer: 7>2');
  });

  test('the state of a release before rows and origins, in which it would find no run', async () => {
    await (await openAt(state)).store.close();
    const path = join(state, 'RUNYARD');
    const marker = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...marker, schema: 1 }));
    const error = await expectRefusal('store.schema_older');
    expect(error.message).toMatch(
      /^store\.schema_older: 1<2 in .*, let its runs end with the release/,
    );
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
  await expect(checkAt(state)).rejects.toMatchObject({ code: 'store.locked' });
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
  await changeRaw(state, (level) => level.del(linkKey(3073)));
  await expectRefusal('store.gap');
});

test('of a database that is very large the chain alone is checked at the start', async () => {
  const { store, fence } = await openAt(state);
  for (let i = 0; i < 20; i++) await store.commit({ fence, ops: [put(`k${i}`, 'x')] });
  await store.close();
  const paths = pathsOf(state);
  expect(await tryOut(paths, { whole: false })).toMatchObject({
    last: { lastRev: 21 },
    entries: 0,
  });
  expect(await tryOut(paths, { whole: true })).toMatchObject({
    last: { lastRev: 21 },
    entries: 20,
  });
  await changeRaw(state, (level) => level.put('k7', Buffer.from('no record of ours')));
  expect(await tryOut(paths, { whole: false })).toMatchObject({ entries: 0 });
  await expect(tryOut(paths, { whole: true })).rejects.toMatchObject({ code: 'store.corrupt' });
  await changeRaw(state, (level) => level.del(linkKey(9)));
  await expect(tryOut(paths, { whole: false })).rejects.toMatchObject({ code: 'store.gap' });
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

/** The groups whose links are there. */
async function linksKept(): Promise<{ first: number; last: number }> {
  let groups: number[] = [];
  await changeRaw(state, async (level) => {
    const keys = await level.keys({ gte: linkKey(0), lt: linkKey(1e9) }).all();
    groups = keys.map((key) => Number(key.slice(2)));
  });
  expect(groups).toEqual(groups.map((_, i) => groups[0]! + i));
  return { first: groups[0]!, last: groups.at(-1)! };
}
