import { describe, expect, test } from 'vitest';
import { readBackup } from './backup.ts';
import type { Commit, Entry, Fence, Key, Op, Range, StateStore } from './port.ts';

/** A store that was opened, and what removes it and all that it left. */
export interface Subject {
  store: StateStore;
  dispose: () => Promise<void>;
}

/** Everything that the port promises, for any adapter. */
export function storeConformance(name: string, open: () => Promise<Subject>): void {
  const each = (title: string, check: (store: StateStore, fence: Fence) => Promise<void>) =>
    test(title, async () => {
      const { store, dispose } = await open();
      try {
        const fence = await store.leases.acquire('all', 'a test', 60_000);
        await check(store, fence!);
      } finally {
        await dispose();
      }
    });
  describe(name, () => {
    describe('commits', () => commits(each));
    describe('guards', () => guards(each));
    describe('fences', () => fences(each));
    describe('ranges', () => ranges(each));
    describe('takers', () => takers(each));
    describe('watchers', () => watchers(each));
    describe('limits', () => limits(each));
    describe('backups', () => backups(each));
  });
}

type Each = (title: string, check: (store: StateStore, fence: Fence) => Promise<void>) => void;

function commits(each: Each): void {
  each('what was committed can be read, with the number of its commit', async (store, fence) => {
    const result = await store.commit({ fence, ops: [put('a', '1'), put('b', '2')] });
    expect(result).toEqual({ ok: true, rev: expect.any(Number) });
    const [a, none, b] = await store.getMany(['a', 'none', 'b']);
    expect([textOf(a), none, textOf(b)]).toEqual(['1', undefined, '2']);
    expect([a!.rev, b!.rev]).toEqual([revOf(result), revOf(result)]);
    expect(await store.get('none')).toBeUndefined();
  });

  each('commits are counted without gaps, also those made at once', async (store, fence) => {
    const first = revOf(await store.commit({ fence, ops: [put('k', 'first')] }));
    const results = await Promise.all(
      numbers(50).map((i) => store.commit({ fence, ops: [put('k', String(i))] })),
    );
    expect(results.map(revOf)).toEqual(numbers(50).map((i) => first + 1 + i));
    expect(textOf(await store.get('k'))).toBe('49');
    expect((await store.get('k'))!.rev).toBe(first + 50);
  });

  each('commits resolve in the order of their calls', async (store, fence) => {
    const order: number[] = [];
    await Promise.all(
      numbers(100).map(async (i) => {
        await store.commit({ fence, ops: [put(`k${i}`, 'x'.repeat((i % 7) * 1000))] });
        order.push(i);
      }),
    );
    expect(order).toEqual(numbers(100));
  });

  each('of two ops on one key the later counts', async (store, fence) => {
    await store.commit({ fence, ops: [put('a', '1'), del('a'), put('b', '1'), put('b', '2')] });
    expect(await store.get('a')).toBeUndefined();
    expect(textOf(await store.get('b'))).toBe('2');
  });

  each('a deleted key is absent and may come back', async (store, fence) => {
    await store.commit({ fence, ops: [put('a', '1')] });
    await store.commit({ fence, ops: [del('a'), del('never there')] });
    expect(await store.get('a')).toBeUndefined();
    await store.commit({ fence, ops: [put('a', '')] });
    expect(textOf(await store.get('a'))).toBe('');
  });

  each('a commit without ops changes no number', async (store, fence) => {
    const before = revOf(await store.commit({ fence, ops: [put('a', '1')] }));
    expect(revOf(await store.commit({ fence, ops: [] }))).toBe(before);
    expect(revOf(await store.commit({ fence, ops: [put('a', '2')] }))).toBe(before + 1);
  });

  each('bytes come back as they were, and are the reader’s own', async (store, fence) => {
    const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await store.commit({ fence, ops: [{ put: 'bytes', value }] });
    const read = await store.get('bytes');
    expect([...read!.value]).toEqual([...value]);
    read!.value.fill(0);
    expect([...(await store.get('bytes'))!.value]).toEqual([...value]);
  });
}

function guards(each: Each): void {
  each('a guard that does not hold stops the whole commit', async (store, fence) => {
    const rev = revOf(await store.commit({ fence, ops: [put('a', '1'), put('b', '1')] }));
    const guarded = [
      { key: 'b', rev },
      { key: 'a', rev: rev + 7 },
    ];
    const result = await store.commit({ fence, guards: guarded, ops: [put('b', '2'), del('a')] });
    expect(result).toEqual({ ok: false, why: 'conflict', key: 'a', rev });
    expect(textOf(await store.get('a'))).toBe('1');
    expect(textOf(await store.get('b'))).toBe('1');
    // What was refused left no gap in the numbers.
    expect(revOf(await store.commit({ fence, ops: [put('c', '1')] }))).toBe(rev + 1);
  });

  each('a guard of zero wants the key absent', async (store, fence) => {
    const create: Commit = { fence, guards: [{ key: 'a', rev: 0 }], ops: [put('a', '1')] };
    const rev = revOf(await store.commit(create));
    expect(await store.commit(create)).toEqual({ ok: false, why: 'conflict', key: 'a', rev });
    await store.commit({ fence, ops: [del('a')] });
    expect(await store.commit(create)).toMatchObject({ ok: true });
  });

  each('guards see the commits that are queued before theirs', async (store, fence) => {
    const base = revOf(await store.commit({ fence, ops: [put('a', '0')] }));
    const increment = (rev: number, text: string) =>
      store.commit({ fence, guards: [{ key: 'a', rev }], ops: [put('a', text)] });
    const [first, twin, second, removal, creation] = await Promise.all([
      increment(base, '1'),
      increment(base, 'lost'),
      increment(base + 1, '2'),
      store.commit({ fence, guards: [{ key: 'a', rev: base + 2 }], ops: [del('a')] }),
      increment(0, '3'),
    ]);
    expect(first).toEqual({ ok: true, rev: base + 1 });
    expect(twin).toEqual({ ok: false, why: 'conflict', key: 'a', rev: base + 1 });
    expect(second).toEqual({ ok: true, rev: base + 2 });
    expect(removal).toEqual({ ok: true, rev: base + 3 });
    expect(creation).toEqual({ ok: true, rev: base + 4 });
    expect(textOf(await store.get('a'))).toBe('3');
  });

  each('two writes that were synced together have different numbers', async (store, fence) => {
    const [mine, theirs] = await Promise.all([
      store.commit({ fence, ops: [put('a', 'mine')] }),
      store.commit({ fence, ops: [put('a', 'theirs')] }),
    ]);
    const guard = [{ key: 'a', rev: revOf(mine) }];
    const result = await store.commit({ fence, guards: guard, ops: [put('a', 'over theirs')] });
    expect(result).toEqual({ ok: false, why: 'conflict', key: 'a', rev: revOf(theirs) });
  });
}

function fences(each: Each): void {
  each('a new holder deposes the one before, for that shard alone', async (store, fence) => {
    const other = (await store.leases.acquire('other', 'x', 1000))!;
    const next = (await store.leases.acquire('all', 'y', 1000))!;
    expect(next).toEqual({ shard: 'all', epoch: fence.epoch + 1 });
    expect(await store.commit({ fence, ops: [put('a', '1')] })).toEqual({
      ok: false,
      why: 'deposed',
      epoch: next.epoch,
    });
    expect(await store.get('a')).toBeUndefined();
    expect(await store.commit({ fence: next, ops: [] })).toMatchObject({ ok: true });
    expect(await store.commit({ fence: other, ops: [] })).toMatchObject({ ok: true });
    expect(await store.leases.renew(fence, 1000)).toBe(false);
    expect(await store.leases.renew(next, 1000)).toBe(true);
  });

  each('the fence is checked at the commit’s place in the order', async (store, fence) => {
    const [before, next, after] = await Promise.all([
      store.commit({ fence, ops: [put('a', 'before')] }),
      store.leases.acquire('all', 'y', 1000),
      store.commit({ fence, ops: [put('a', 'after')] }),
    ]);
    expect(before).toMatchObject({ ok: true });
    expect(after).toEqual({ ok: false, why: 'deposed', epoch: next!.epoch });
    expect(textOf(await store.get('a'))).toBe('before');
  });

  each('a fence that was released or never given fences nobody in', async (store, fence) => {
    const invented = { shard: 'unheard of', epoch: 1 };
    expect(await store.commit({ fence: invented, ops: [] })).toMatchObject({ why: 'deposed' });
    await store.leases.release({ ...fence, epoch: fence.epoch + 1 });
    expect(await store.leases.renew(fence, 1000)).toBe(true);
    await store.leases.release(fence);
    expect(await store.leases.renew(fence, 1000)).toBe(false);
    expect(await store.commit({ fence, ops: [] })).toMatchObject({ why: 'deposed' });
  });
}

function ranges(each: Each): void {
  const KEYS = ['Z', 'a', 'a/', 'a/1', 'a/10', 'a/2', 'b', 'é', '\uffff', '😀'];

  each('keys are ordered by their bytes', async (store, fence) => {
    await store.commit({ fence, ops: KEYS.toReversed().map((key) => put(key, key)) });
    const bytewise = KEYS.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await keysOf(store, {})).toEqual(bytewise);
    expect(bytewise).toEqual(KEYS);
  });

  each('a range begins with its first key and ends before its last', async (store, fence) => {
    await store.commit({ fence, ops: KEYS.map((key) => put(key, key)) });
    expect(await keysOf(store, { gte: 'a/', lt: 'a0' })).toEqual(['a/', 'a/1', 'a/10', 'a/2']);
    expect(await keysOf(store, { gte: 'a/1', lt: 'a/2' })).toEqual(['a/1', 'a/10']);
    expect(await keysOf(store, { lt: 'a' })).toEqual(['Z']);
    expect(await keysOf(store, { gte: '\uffff' })).toEqual(['\uffff', '😀']);
    expect(await keysOf(store, { gte: 'b', lt: 'a' })).toEqual([]);
  });

  each('a range can be read backwards and cut', async (store, fence) => {
    await store.commit({ fence, ops: KEYS.map((key) => put(key, key)) });
    const inside = { gte: 'a', lt: 'b' };
    expect(await keysOf(store, { ...inside, limit: 2 })).toEqual(['a', 'a/']);
    expect(await keysOf(store, { ...inside, reverse: true, limit: 2 })).toEqual(['a/2', 'a/10']);
    expect(await keysOf(store, { reverse: true })).toEqual(KEYS.toReversed());
    expect(await keysOf(store, { limit: 0 })).toEqual([]);
    expect(await keysOf(store, { limit: 1000 })).toEqual(KEYS);
  });

  each('one scan sees one snapshot', async (store, fence) => {
    const ops = numbers(2500).map((i) => put(keyOf(i), 'old'));
    await store.commit({ fence, ops });
    const seen: string[] = [];
    for await (const entry of store.scan({})) {
      if (seen.length === 0) {
        const later = numbers(2500).map((i) => (i % 2 ? put(keyOf(i), 'new') : del(keyOf(i))));
        await store.commit({ fence, ops: [...later, put('k9', 'new')] });
      }
      seen.push(textOf(entry)!);
    }
    expect(seen).toEqual(numbers(2500).map(() => 'old'));
    expect(await keysOf(store, {})).toHaveLength(1251);
  });

  each('the keys of the store itself are never shown', async (store) => {
    await store.leases.acquire('other', 'x', 1000);
    expect(await keysOf(store, {})).toEqual([]);
    expect(await keysOf(store, { gte: '', reverse: true })).toEqual([]);
    expect(await keysOf(store, { gte: '\0' })).toEqual([]);
  });
}

function takers(each: Each): void {
  each('concurrent takers never get the same entry', async (store, fence) => {
    await store.commit({ fence, ops: numbers(40).map((i) => put(keyOf(i), 'free')) });
    const hauls = await Promise.all(numbers(8).map(() => store.take({ gte: 'k' }, 6)));
    const keys = hauls.flat().map(({ key }) => key);
    expect(keys).toHaveLength(40);
    expect(Math.max(...hauls.map((haul) => haul.length))).toBe(6);
    expect(new Set(keys).size).toBe(40);
    expect(await store.take({ gte: 'k' }, 0)).toEqual([]);
  });

  each('an entry that was written anew can be taken again', async (store, fence) => {
    await store.commit({ fence, ops: [put('a', '1')] });
    expect(await store.take({}, 5)).toHaveLength(1);
    expect(await store.take({}, 5)).toHaveLength(0);
    await store.commit({ fence, ops: [put('a', '2')] });
    expect((await store.take({}, 5)).map(textOf)).toEqual(['2']);
  });

  each('200 racing claims of 40 items claim each exactly once', async (store, fence) => {
    await store.commit({ fence, ops: numbers(40).map((i) => put(`free/${keyOf(i)}`, '')) });
    const claims = await Promise.all(numbers(200).map((claimant) => claim(claimant)));
    const won = claims.filter((key) => key !== undefined);
    expect(new Set(won).size).toBe(40);
    expect(won).toHaveLength(40);
    expect(await keysOf(store, { gte: 'free/', lt: 'free0' })).toEqual([]);
    expect(await keysOf(store, { gte: 'held/', lt: 'held0' })).toHaveLength(40);

    /** Half take, half pick without asking, so that the guards are tried too. */
    async function claim(claimant: number): Promise<Key | undefined> {
      const range = { gte: 'free/', lt: 'free0' };
      for (;;) {
        const picked =
          claimant % 2
            ? await store.take(range, 1)
            : await entriesOf(store, { ...range, limit: 1 });
        const [entry] = picked;
        if (!entry) return undefined;
        const { key, rev } = entry;
        const ops = [del(key), put(`held/${key.slice(5)}`, String(claimant))];
        const result = await store.commit({ fence, guards: [{ key, rev }], ops });
        if (result.ok) return key;
      }
    }
  });
}

function watchers(each: Each): void {
  each('a notify wakes those who watch its topic, after the commit', async (store, fence) => {
    const stop = new AbortController();
    const wakes = store.watch('runs', stop.signal)[Symbol.asyncIterator]();
    await store.commit({ fence, ops: [put('a', '1')], notify: ['slaves', 'runs'] });
    expect(await wakes.next()).toEqual({ done: false, value: undefined });
    expect(textOf(await store.get('a'))).toBe('1');
    stop.abort();
    expect((await wakes.next()).done).toBe(true);
  });

  each('a commit that was refused wakes nobody', async (store, fence) => {
    const stop = new AbortController();
    const wakes = store.watch('runs', stop.signal)[Symbol.asyncIterator]();
    const guarded = [{ key: 'a', rev: 99 }];
    await store.commit({ fence, guards: guarded, ops: [put('a', '1')], notify: ['runs'] });
    const next = wakes.next();
    stop.abort();
    expect((await next).done).toBe(true);
  });

  each('watching ends at once on a signal that was given before', async (store) => {
    const wakes = store.watch('runs', AbortSignal.abort())[Symbol.asyncIterator]();
    expect((await wakes.next()).done).toBe(true);
  });
}

function limits(each: Each): void {
  each('what is too large is refused and nothing of it is written', async (store, fence) => {
    const { valueBytesMax, opsMax } = store.caps;
    const huge = { put: 'huge', value: new Uint8Array(valueBytesMax + 1) };
    const tooLarge = { code: 'store.too_large' };
    await expect(store.commit({ fence, ops: [put('a', '1'), huge] })).rejects.toMatchObject(
      tooLarge,
    );
    const many = numbers(opsMax + 1).map(() => del('x'));
    await expect(store.commit({ fence, ops: many })).rejects.toMatchObject(tooLarge);
    const long = put('k'.repeat(1025), '');
    await expect(store.commit({ fence, ops: [long] })).rejects.toMatchObject(tooLarge);
    expect(await store.get('a')).toBeUndefined();
    const largest = { put: 'largest', value: new Uint8Array(valueBytesMax) };
    expect(await store.commit({ fence, ops: [largest] })).toMatchObject({ ok: true });
    expect((await store.get('largest'))!.value).toHaveLength(valueBytesMax);
  });

  each('keys that nobody could keep apart are a bug', async (store, fence) => {
    for (const key of ['', '\0own', 'half a \ud800 character']) {
      await expect(store.commit({ fence, ops: [put(key, '')] })).rejects.toThrow('assertion');
    }
  });

  each('what was queued before the close is written, nothing after it', async (store, fence) => {
    expect((await store.health()).writable).toBe(true);
    const queued = store.commit({ fence, ops: [put('a', '1')] });
    const closing = store.close();
    const late = store.commit({ fence, ops: [put('b', '1')] });
    const refused = { code: 'store.closed' };
    await expect(late).rejects.toMatchObject(refused);
    expect(await queued).toMatchObject({ ok: true });
    await closing;
    await expect(store.get('a')).rejects.toMatchObject(refused);
    await expect(store.commit({ fence, ops: [] })).rejects.toMatchObject(refused);
    await expect(store.leases.acquire('all', 'x', 1)).rejects.toMatchObject(refused);
    expect((await store.health()).writable).toBe(false);
    await store.close();
  });
}

function backups(each: Each): void {
  each('a backup is one snapshot, verified by its reader', async (store, fence) => {
    await store.commit({ fence, ops: numbers(3000).map((i) => put(keyOf(i), `old ${i}`)) });
    const rev = revOf(await store.commit({ fence, ops: [put('last', 'old')] }));
    const chunks: Uint8Array[] = [];
    const during: Promise<unknown>[] = [];
    const manifest = await store.backup(async (chunk) => {
      during.push(store.commit({ fence, ops: [put('last', 'new'), put('late', 'new')] }));
      chunks.push(chunk.slice());
    });
    await Promise.all(during);
    const { entries, end } = await readAll(chunks);
    expect(end).toEqual(manifest);
    expect(manifest).toMatchObject({ rev, entries: entries.length });
    const own = entries.filter(({ key }) => key.startsWith('\0'));
    expect(own.map(({ key }) => key)).toEqual(['\0l/all']);
    expect(entries).toHaveLength(3002);
    expect(textOf(entries.find(({ key }) => key === 'last'))).toBe('old');
    expect(textOf(entries.find(({ key }) => key === keyOf(2999)))).toBe('old 2999');
  });

  each('a backup that was cut or changed is refused', async (store, fence) => {
    await store.commit({ fence, ops: numbers(20).map((i) => put(keyOf(i), `value ${i}`)) });
    const chunks: Uint8Array[] = [];
    await store.backup(async (chunk) => void chunks.push(chunk.slice()));
    const whole = Buffer.concat(chunks);
    const refused = { code: 'store.corrupt' };
    for (const size of [0, 30, 100, whole.length >> 1, whole.length - 1]) {
      await expect(readAll([whole.subarray(0, size)])).rejects.toMatchObject(refused);
    }
    const flipped = Buffer.from(whole);
    flipped[whole.indexOf('value 7')]! ^= 1;
    await expect(readAll([flipped])).rejects.toMatchObject(refused);
  });
}

async function readAll(chunks: Uint8Array[]) {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const reader = readBackup(source());
  const entries: Entry[] = [];
  for (;;) {
    const next = await reader.next();
    if (next.done) return { entries, end: next.value };
    entries.push(next.value);
  }
}

async function entriesOf(store: StateStore, range: Range): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of store.scan(range)) entries.push(entry);
  return entries;
}

async function keysOf(store: StateStore, range: Range): Promise<Key[]> {
  return (await entriesOf(store, range)).map(({ key }) => key);
}

function put(key: Key, text: string): Op {
  return { put: key, value: Buffer.from(text) };
}

function del(key: Key): Op {
  return { del: key };
}

function textOf(entry: Entry | undefined): string | undefined {
  return entry && Buffer.from(entry.value).toString();
}

function revOf(result: unknown): number {
  expect(result).toMatchObject({ ok: true });
  return (result as { rev: number }).rev;
}

function keyOf(i: number): Key {
  return `k${String(i).padStart(5, '0')}`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
