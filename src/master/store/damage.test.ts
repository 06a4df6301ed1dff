import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isYardError } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import { linkKey } from './chain.ts';
import { changeRaw, databaseFile, exchange, flip } from './damage-fixture.ts';
import type { Raw } from './damage-fixture.ts';
import { checkAt, contentOf, openAt, optionsOf, treeOf } from './level-fixture.ts';
import { makeLevelStore } from './level.ts';
import { checksum, makeRecordWriter, openRecord } from './record.ts';

/** A state with tables of several blocks, links and a log; made once, damaged in copies. */
let pristine: string;
let content: Map<string, string>;
let lastRev: number;
let state: string;

beforeAll(async () => {
  pristine = mkdtempSync(join(tmpdir(), 'runyard-damage-test-'));
  for (const round of ['a', 'b', 'c']) {
    const { store, fence } = await openAt(pristine);
    for (let i = 0; i < 60; i++) {
      const key = (j: number) => `run/${round}${i}-${j}`;
      const ops = [0, 1, 2, 3].map((j) => ({ put: key(j), value: Buffer.from(textFor(key(j))) }));
      const result = await store.commit({ fence, ops: [...ops, { del: `run/a${i}-0` }] });
      if (result.ok) lastRev = result.rev;
    }
    content = await contentOf(store);
    await store.close();
  }
});
afterAll(() => rmSync(pristine, { recursive: true }));

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'runyard-damage-test-'));
  cpSync(pristine, state, { recursive: true });
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

test('what is whole opens with everything in it', async () => {
  expect(await checkAt(state)).toEqual({ rev: lastRev, entries: content.size });
  const { store } = await openAt(state);
  expect(await contentOf(store)).toEqual(content);
  expect(content.size).toBe(60 * 3 * 4 - 60);
  await store.close();
});

describe('a damaged store is refused by name, and no byte of it is touched', () => {
  const cases: [string, string, () => unknown][] = [
    ['a byte flipped in the log', 'store.gap', () => flip(file('.log'), 9000)],
    ['the log cut off', 'store.gap', () => truncateSync(file('.log'), 9000)],
    ['the log emptied', 'store.gap', () => truncateSync(file('.log'), 0)],
    ['the log deleted', 'store.gap', () => rmSync(file('.log'))],
    ['a byte flipped in a table', 'store.corrupt', () => flip(file('.ldb'), 300)],
    ['a table’s footer overwritten', 'store.corrupt', () => flip(file('.ldb'), -3)],
    ['a table cut off', 'store.corrupt', () => truncateSync(file('.ldb'), 2000)],
    ['a table emptied', 'store.corrupt', () => truncateSync(file('.ldb'), 0)],
    ['a table deleted', 'store.corrupt', () => rmSync(file('.ldb'))],
    ['a byte flipped in the manifest', 'store.corrupt', () => flip(file('MANIFEST'), 20)],
    ['the manifest cut off', 'store.corrupt', () => truncateSync(file('MANIFEST'), 20)],
    ['the manifest deleted', 'store.corrupt', () => rmSync(file('MANIFEST'))],
    ['CURRENT emptied', 'store.corrupt', () => truncateSync(file('CURRENT'), 0)],
    ['CURRENT deleted', 'store.corrupt', () => rmSync(file('CURRENT'))],
    ['the whole database deleted', 'store.corrupt', () => rmSync(db(), { recursive: true })],
    ['all files of the database deleted', 'store.corrupt', emptyDatabase],
    ['a file in the place of the database', 'store.corrupt', fileAsDatabase],
    ['two records exchanged', 'store.corrupt', () => exchange(state, 'run/b1-1', 'run/b1-2')],
    ['a record of another commit', 'store.corrupt', () => raw(makeNewer)],
    ['a link deleted from the middle', 'store.gap', () => raw((level) => level.del(linkKey(90)))],
    ['the first link deleted', 'store.gap', () => raw((level) => level.del(linkKey(1)))],
    ['a stranger among our own keys', 'store.corrupt', () => raw(putStranger)],
    ['an older database in its place', 'store.gap', olderDatabase],
    ['the witness deleted', 'store.corrupt', () => rmSync(join(state, 'witness'))],
    ['the witness overwritten', 'store.corrupt', () => writeFileSync(join(state, 'witness'), '7')],
    ['the marker overwritten', 'store.corrupt', () => writeFileSync(join(state, 'RUNYARD'), '{')],
    ['the marker deleted', 'store.foreign', () => rmSync(join(state, 'RUNYARD'))],
  ];
  test.each(cases)('%s', async (_, code, damage) => {
    await damage();
    await expectRefusal(code);
    const before = treeOf(state);
    await expect(checkAt(state)).rejects.toMatchObject({ code });
    expect(treeOf(state)).toEqual(before);
  });
});

test('the gap is named', async () => {
  truncateSync(file('.log'), 9000);
  const error = await expectRefusal('store.gap');
  const [, from, to] = /^store\.gap: from=(\d+) to=(\d+)/.exec(error.message)!;
  expect(Number(to)).toBe(lastRev);
  expect(Number(from)).toBeGreaterThan(lastRev - 60);
  expect(Number(from)).toBeLessThan(lastRev);
});

test('the damaged table is named', async () => {
  flip(file('.ldb'), 300);
  expect((await expectRefusal('store.corrupt')).message).toContain(`${file('.ldb')} has a wrong`);
});

test('a record that goes bad while the store is open is not handed out', async () => {
  const { store } = await openAt(state);
  for (const name of readdirSync(db()).filter((each) => each.endsWith('.ldb'))) {
    for (let at = 100; at < 3000; at += 50) flip(join(db(), name), at);
  }
  const named = { code: 'store.corrupt' };
  await expect(contentOf(store)).rejects.toMatchObject(named);
  await store.close();
});

describe('wherever one bit flips, the store is refused untouched or holds everything', () => {
  const random = seededRandom('flips');
  const flips = ['.log', '.ldb', 'MANIFEST', 'CURRENT'].flatMap((kind) =>
    Array.from({ length: 12 }, () => ({ kind, at: random.float() })),
  );
  test.each(flips)('$kind at $at', async ({ kind, at }) => {
    flip(file(kind), at);
    const before = treeOf(state);
    const error = await failureOf();
    if (error !== undefined) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^store\.(corrupt|gap)$/) });
      expect(treeOf(state)).toEqual(before);
    } else {
      const { store } = await openAt(state);
      expect(await contentOf(store)).toEqual(content);
      await store.close();
    }
  });
});

async function expectRefusal(code: string): Promise<Error> {
  const before = treeOf(state);
  const error = await failureOf();
  expect(error).toMatchObject({ code });
  expect(treeOf(state)).toEqual(before);
  return error!;
}

/** What opening comes to. */
async function failureOf(): Promise<Error | undefined> {
  const store = makeLevelStore(optionsOf(state));
  try {
    await store.open();
    await store.close();
    return undefined;
  } catch (error) {
    if (!isYardError(error)) throw error;
    return error;
  }
}

function textFor(key: string): string {
  const random = seededRandom(key);
  return Buffer.from(random.bytes(200))
    .toString('latin1')
    .replaceAll(/[^ -~]/g, '.');
}

function db(): string {
  return join(state, 'db');
}

const file = (part: string) => databaseFile(state, part);
const raw = (work: (level: Raw) => Promise<unknown>) => changeRaw(state, work);

async function makeNewer(level: Raw): Promise<void> {
  const key = 'run/b1-1';
  const { value } = openRecord(key, (await level.get(key))!);
  const rev = lastRev + 1;
  await level.put(key, makeRecordWriter()(rev, checksum(key, rev, value), value));
}

async function putStranger(level: Raw): Promise<void> {
  const [key, value] = ['\0stranger', Buffer.from('x')];
  await level.put(key, makeRecordWriter()(1, checksum(key, 1, value), value));
}

function emptyDatabase(): void {
  for (const name of readdirSync(db())) rmSync(join(db(), name));
}

function fileAsDatabase(): void {
  rmSync(db(), { recursive: true });
  writeFileSync(db(), 'a file');
}

/** As a restore of the database alone would leave it. */
async function olderDatabase(): Promise<void> {
  const { store, fence } = await openAt(state);
  await store.commit({ fence, ops: [{ put: 'later', value: Buffer.from('x') }] });
  await store.close();
  rmSync(db(), { recursive: true });
  cpSync(join(pristine, 'db'), db(), { recursive: true });
}
