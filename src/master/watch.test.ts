import { expect, test } from 'vitest';
import { openYard, settled } from '../../test/kit/yard.ts';
import { makeArchive } from './archive.ts';
import type { StateStore } from './store/port.ts';
import { makeFeed } from './feed.ts';
import { makeWatch } from './watch.ts';

type TestYard = Awaited<ReturnType<typeof openYard>>;

function watcherOf(yard: TestYard, store: StateStore = yard.store) {
  const watch = makeWatch(makeFeed(yard.yard, makeArchive(store)));
  const seqs: number[] = [];
  return {
    seqs,
    watch: (since?: number) =>
      watch(since, (events) => void seqs.push(...events.map(({ seq }) => seq))),
  };
}

test('a watcher gets every event after its since once and in order, while more come', async () => {
  const yard = await openYard();
  for (let i = 0; i < 1_100; i++) await yard.run();
  const watcher = watcherOf(yard);
  const replayed = watcher.watch(5);
  const more = [yard.run(), yard.run()];
  await Promise.all([replayed, ...more]);
  await yard.run();
  expect(watcher.seqs).toEqual(Array.from({ length: 1_098 }, (_, index) => index + 6));
});

test('without a since only what is new is told, and nothing after it stopped', async () => {
  const yard = await openYard();
  await yard.run();
  const watcher = watcherOf(yard);
  const { stop } = await watcher.watch();
  await yard.run();
  stop();
  await yard.run();
  expect(watcher.seqs).toEqual([2]);
});

test('a watcher sees nothing that is not on disk', async () => {
  const yard = await openYard();
  const watcher = watcherOf(yard);
  await watcher.watch(0);
  yard.gate.hold();
  const submitted = yard.run();
  await settled();
  expect(watcher.seqs).toEqual([]);
  yard.gate.release();
  await submitted;
  expect(watcher.seqs).toEqual([1]);
});

test('an event that is replayed before it is published is told once', async () => {
  const yard = await openYard();
  let publish: () => void = () => {};
  const saved = new Promise<void>((resolve) => (publish = resolve));
  const { commit } = yard.memory;
  yard.memory.commit = async (given) => {
    const result = await commit(given);
    await saved;
    return result;
  };
  const held = await openYard({ memory: yard.memory, clock: yard.clock });
  const watcher = watcherOf(held);
  const submitted = held.run();
  await settled();
  await watcher.watch(0);
  publish();
  await submitted;
  expect(watcher.seqs).toEqual([1]);
});

test('a watch of what cannot be read fails, and leaves nobody behind who is never told', async () => {
  const yard = await openYard();
  await yard.run();
  const archive = makeArchive(yard.store);
  const broken = {
    ...archive,
    async *eventsFrom() {
      yield* [];
      throw new Error('the disk');
    },
  };
  const feed = makeFeed(yard.yard, broken);
  await expect(makeWatch(feed)(0, () => {})).rejects.toThrow('the disk');
  expect(feed.count()).toBe(0);
});
