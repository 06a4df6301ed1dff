import { expect, test } from 'vitest';
import { manualClock } from '../../base/clock.ts';
import { storeConformance } from './conformance.ts';
import { makeMemoryStore } from './memory.ts';

storeConformance('the memory store', async () => {
  const store = makeMemoryStore(manualClock());
  await store.open();
  return { store, dispose: () => store.close() };
});

test('a taker that did nothing for a second loses what it took', async () => {
  const clock = manualClock();
  const store = makeMemoryStore(clock);
  await store.open();
  const fence = (await store.leases.acquire('all', 'a test', 1000))!;
  await store.commit({ fence, ops: [{ put: 'a', value: Buffer.from('x') }] });
  expect(await store.take({}, 1)).toHaveLength(1);
  clock.advance(999);
  expect(await store.take({}, 1)).toHaveLength(0);
  clock.advance(1);
  expect(await store.take({}, 1)).toHaveLength(1);
  await store.close();
});

test('a commit has not happened before the end of the turn', async () => {
  const turns: (() => void)[] = [];
  const clock = { ...manualClock(), soon: (callback: () => void) => void turns.push(callback) };
  const store = makeMemoryStore(clock);
  await store.open();
  const lease = store.leases.acquire('all', 'a test', 1000);
  while (turns.length > 0) {
    turns.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const fence = (await lease)!;
  const commit = store.commit({ fence, ops: [{ put: 'a', value: Buffer.from('x') }] });
  await new Promise((resolve) => setImmediate(resolve));
  expect(await store.get('a')).toBeUndefined();
  for (let i = 0; i < 2; i++) {
    turns.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await commit).toMatchObject({ ok: true });
  expect(await store.get('a')).toBeDefined();
});
