import { setMaxListeners } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { manualClock, systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { packBundle } from '../../task/bundle/pack.ts';
import { openBundleCache } from './bundle-cache.ts';
import type { BundleCacheOptions } from './bundle-cache.ts';

const never = new AbortController().signal;
setMaxListeners(0, never);

let work: string;
let dir: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'runyard-cache-test-'));
  dir = join(work, 'bundles');
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

test('a bundle is fetched once and then taken from disk, across restarts too', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  const cache = await open(store);
  const first = await cache.get(id, never);
  const second = await cache.get(id, never);
  expect(second.dir).toBe(first.dir);
  await first.release();
  const again = await (await open(store)).get(id, never);

  expect(textIn(again.dir)).toBe('hello');
  expect(store.opened).toEqual([id]);
});

test('a link of a bundle, even to what holds it, is no other entry of it', async () => {
  const store = makeStore();
  const id = await store.add('hello', { round: '.' });
  const cache = await open(store);
  await (await cache.get(id, never)).release();
  await (await open(store)).get(id, never);
  expect(store.opened).toEqual([id]);
});

test('all who ask at the same time wait for one fetch', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  const cache = await open(store);
  const trees = await Promise.all(Array.from({ length: 20 }, () => cache.get(id, never)));

  expect(trees.map(({ dir: path }) => textIn(path))).toEqual(Array(20).fill('hello'));
  expect(store.opened).toEqual([id]);
});

test('one who gives up does not stop the fetch of the others', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  store.hold();
  const cache = await open(store);
  const impatient = new AbortController();
  const dropped = cache.get(id, impatient.signal);
  const waited = cache.get(id, never);
  impatient.abort(new Error('no longer wanted'));

  await expect(dropped).rejects.toThrow('no longer wanted');
  store.letGo();
  expect(textIn((await waited).dir)).toBe('hello');
});

test('the last to give up stops the fetch, and whoever comes then starts another', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  store.hold();
  const cache = await open(store);
  const impatient = new AbortController();
  const dropped = cache.get(id, impatient.signal);
  impatient.abort(new Error('no longer wanted'));
  await expect(dropped).rejects.toThrow('no longer wanted');
  expect(store.aborted).toEqual([id]);
  store.letGo();

  expect(textIn((await cache.get(id, never)).dir)).toBe('hello');
  expect(store.opened).toEqual([id, id]);
});

test('bytes that are not those of the id are refused, and the next try may succeed', async () => {
  const store = makeStore();
  const [id, other] = [await store.add('hello'), await store.add('other')];
  const right = store.archives.get(id)!;
  store.archives.set(id, store.archives.get(other)!);
  const cache = await open(store);
  await expect(cache.get(id, never)).rejects.toMatchObject({ code: 'archive.sha256' });
  expect(readdirSync(dir)).toEqual([]);
  store.archives.set(id, right);

  expect(textIn((await cache.get(id, never)).dir)).toBe('hello');
});

test('a source that fails is an error of the one who asked, and of nobody after', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  const right = store.archives.get(id)!;
  store.archives.delete(id);
  const cache = await open(store);
  await expect(cache.get(id, never)).rejects.toThrow('no such bundle');
  store.archives.set(id, right);

  expect(textIn((await cache.get(id, never)).dir)).toBe('hello');
});

test.each([
  ['a file cut short', (id: string) => truncateSync(join(dir, id, 'tree/file'), 0)],
  ['a file missing', (id: string) => rmSync(join(dir, id, 'tree/file'))],
  ['a file too many', (id: string) => writeFileSync(join(dir, id, 'tree/more'), '')],
  ['the tree missing', (id: string) => rmSync(join(dir, id, 'tree'), { recursive: true })],
  ['no marker', (id: string) => rmSync(join(dir, id, 'complete.json'))],
  ['an empty marker', (id: string) => truncateSync(join(dir, id, 'complete.json'), 0)],
  ['a strange marker', (id: string) => writeFileSync(join(dir, id, 'complete.json'), '[null]')],
])('after a restart, %s is noticed and the bundle fetched again', async (_, damage) => {
  const store = makeStore();
  const id = await store.add('hello');
  await (await open(store)).get(id, never);
  damage(id);
  const tree = await (await open(store)).get(id, never);

  expect(textIn(tree.dir)).toBe('hello');
  expect(store.opened).toEqual([id, id]);
});

test('a bundle that somebody removed under a running slave is fetched again', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  const cache = await open(store);
  await (await cache.get(id, never)).release();
  rmSync(join(dir, id), { recursive: true });

  expect(textIn((await cache.get(id, never)).dir)).toBe('hello');
});

test('what a killed slave left half done is removed, and what is not its own is left', async () => {
  const store = makeStore();
  const id = await store.add('hello');
  for (const name of ['.partial-abc', '.trash-xyz', id, 'notes']) {
    mkdirSync(join(dir, name, 'tree'), { recursive: true });
  }
  await open(store);

  expect(readdirSync(dir)).toEqual(['notes']);
});

test('beyond the limit the longest unused goes first', async () => {
  const store = makeStore();
  const ids = await store.addMany(['a', 'b', 'c']);
  const cache = await open(store, { bytesMax: ROOM_FOR_TWO });
  for (const index of [0, 1, 0, 2]) await (await cache.get(ids[index]!, never)).release();

  expect(new Set(readdirSync(dir))).toEqual(new Set([ids[0], ids[2]]));
});

test('the order of use outlives a restart', async () => {
  const store = makeStore();
  const ids = await store.addMany(['a', 'b', 'c']);
  const clock = manualClock();
  const cache = await open(store, { clock });
  for (const index of [0, 1, 0]) {
    await (await cache.get(ids[index]!, never)).release();
    clock.advance(5000);
  }
  const reopened = await open(store, { clock, bytesMax: ROOM_FOR_TWO });
  await (await reopened.get(ids[2]!, never)).release();

  expect(new Set(readdirSync(dir))).toEqual(new Set([ids[0], ids[2]]));
});

test('what is in use is never evicted, and goes when it is released', async () => {
  const store = makeStore();
  const ids = await store.addMany(['a', 'b', 'c']);
  const cache = await open(store, { bytesMax: 1 });
  const trees = await Promise.all(ids.map((id) => cache.get(id, never)));
  expect(trees.map((tree) => textIn(tree.dir))).toEqual(['a', 'b', 'c']);
  for (const tree of trees) await tree.release();

  expect(readdirSync(dir)).toEqual([]);
  expect(textIn((await cache.get(ids[0]!, never)).dir)).toBe('a');
});

test('many bundles fetched, held and evicted all at once never disappear while held', async () => {
  const store = makeStore();
  const ids = await store.addMany(['a', 'b', 'c', 'd', 'e']);
  const cache = await open(store, { bytesMax: ROOM_FOR_TWO });
  await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const which = (index * 7) % ids.length;
      const tree = await cache.get(ids[which]!, never);
      await new Promise(setImmediate);
      expect(textIn(tree.dir)).toBe('abcde'[which]);
      await tree.release();
    }),
  );

  expect(readdirSync(dir).length).toBeLessThanOrEqual(2);
});

test('only an id can become a path', async () => {
  const cache = await open(makeStore());

  await expect(cache.get('../fs', never)).rejects.toThrow('assertion failed');
});

/** An entry counts 4 KiB beside its content. */
const ROOM_FOR_TWO = 2 * 4096 + 100;

function open(source: BundleCacheOptions['source'], more: Partial<BundleCacheOptions> = {}) {
  return openBundleCache({ dir, source, clock: systemClock, log: silentLog, ...more });
}

function textIn(tree: string): string {
  expect(existsSync(tree)).toBe(true);
  return readFileSync(join(tree, 'file'), 'utf8');
}

/** Bundles of one file each, in memory; while it holds, a fetch is under way and does not end. */
function makeStore() {
  const archives = new Map<string, Buffer>();
  let held = Promise.resolve();
  const store = {
    archives,
    opened: [] as string[],
    aborted: [] as string[],
    letGo: () => {},
    hold: () => void (held = new Promise((resolve) => (store.letGo = resolve))),
    async add(text: string, links: Record<string, string> = {}): Promise<string> {
      const from = mkdtempSync(join(work, 'from-'));
      writeFileSync(join(from, 'file'), text);
      for (const [name, to] of Object.entries(links)) symlinkSync(to, join(from, name));
      const packed = await packBundle(from, { spoolDir: work });
      archives.set(packed.id, await buffer(packed.open()));
      await packed.close();
      return packed.id;
    },
    addMany: (texts: string[]) => Promise.all(texts.map((text) => store.add(text))),
    async open(id: string, signal: AbortSignal) {
      store.opened.push(id);
      const bytes = archives.get(id);
      if (!bytes) throw new Error('no such bundle');
      signal.addEventListener('abort', () => store.aborted.push(id));
      async function* pieces() {
        for (let at = 0; at < bytes!.length; at += 700) {
          await held;
          yield bytes!.subarray(at, at + 700);
        }
      }
      return pieces();
    },
  };
  return store;
}
