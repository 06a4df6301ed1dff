import { expect } from 'vitest';
import type { Each } from './conformance-kit.ts';
import {
  del,
  entriesOf,
  keyOf,
  keysOf,
  numbers,
  put,
  readAll,
  revOf,
  textOf,
} from './conformance-kit.ts';
import type { Key } from './port.ts';

export function ranges(each: Each): void {
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

export function takers(each: Each): void {
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

export function watchers(each: Each): void {
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

export function limits(each: Each): void {
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

export function backups(each: Each): void {
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
