import { expect } from 'vitest';
import type { Each } from './conformance-kit.ts';
import { del, numbers, put, revOf, textOf } from './conformance-kit.ts';
import type { Commit } from './port.ts';

export function commits(each: Each): void {
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

export function guards(each: Each): void {
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

export function fences(each: Each): void {
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
