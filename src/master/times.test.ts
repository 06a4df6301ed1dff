import { expect, test, vi } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { KEY, bytes, open, read, setUp } from './store/blob-fixture.ts';
import type { BlobStore } from './store/port.ts';
import { packMarks } from './time-marks.ts';
import { makeTimes, timesKey } from './times.ts';

const START = Date.UTC(2026, 0, 1);
const TIMES = timesKey(KEY);

async function start({ withBlobs = (blobs: BlobStore) => blobs } = {}) {
  const { directory, blobs } = await setUp();
  const clock = manualClock(START);
  const warned: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warned.push(message) };
  const keeper = (given: BlobStore) => makeTimes({ blobs: withBlobs(given), clock, log });
  return {
    blobs,
    clock,
    warned,
    times: keeper(blobs),
    /** As after a crash of the master. */
    restart: async () => {
      await blobs.close();
      const again = await open(directory);
      return { blobs: again, times: keeper(again) };
    },
  };
}

/** Every call on the times themselves fails as long as it says so. */
function failing(isFailing: () => boolean) {
  return (blobs: BlobStore): BlobStore => ({
    ...blobs,
    async append(key, offset, given) {
      if (key === TIMES && isFailing()) throw new Error('no inode is left');
      return blobs.append(key, offset, given);
    },
  });
}

/** What is written of the times once no call to write them is under way. */
const written = (blobs: BlobStore, marks: [number, number][]) =>
  vi.waitFor(async () => expect(await read(blobs, TIMES)).toEqual(packMarks(marks)));

test('each append that brings something new has its time', async () => {
  const { times, clock, blobs } = await start();
  expect(await times.append(KEY, 0, bytes('one\n'))).toEqual({ size: 4 });
  clock.advance(1500);
  expect(await times.append(KEY, 4, bytes('two\n'))).toEqual({ size: 8 });
  const marks: [number, number][] = [
    [0, START],
    [4, START + 1500],
  ];
  expect(await times.read(KEY, 0)).toEqual(marks);
  clock.advance(1000);
  await written(blobs, marks);
  expect(await times.read(KEY, 0)).toEqual(marks);
});

test('who asks from a byte on is told when that one came', async () => {
  const { times, clock } = await start();
  for (let offset = 0; offset < 40; offset += 10) {
    await times.append(KEY, offset, bytes('x'.repeat(10)));
    clock.advance(5);
  }
  const later = (ms: number, offset: number) => [offset, START + ms];
  expect(await times.read(KEY, 15)).toEqual([later(5, 10), later(10, 20), later(15, 30)]);
  expect(await times.read(KEY, 20)).toEqual([later(10, 20), later(15, 30)]);
  expect(await times.read(KEY, 1000)).toEqual([later(15, 30)]);
});

test('what comes within one millisecond has one mark', async () => {
  const { times, clock } = await start();
  await times.append(KEY, 0, bytes('ab'));
  await times.append(KEY, 2, bytes('cd'));
  clock.advance(1);
  await times.append(KEY, 4, bytes('ef'));
  expect(await times.read(KEY, 0)).toEqual([
    [0, START],
    [4, START + 1],
  ]);
});

test('bytes that are sent again keep their time, and only what is new has a new one', async () => {
  const { times, clock } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  clock.advance(1000);
  await times.append(KEY, 0, bytes('one\n'));
  expect(await times.read(KEY, 0)).toEqual([[0, START]]);
  await times.append(KEY, 0, bytes('one\ntwo\n'));
  expect(await times.read(KEY, 0)).toEqual([
    [0, START],
    [4, START + 1000],
  ]);
});

test('the next process of the master goes on where the last one was', async () => {
  const { times, clock, blobs, restart } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  clock.advance(1000);
  await written(blobs, [[0, START]]);
  const { times: again } = await restart();
  await again.append(KEY, 0, bytes('one\n'));
  clock.advance(1000);
  await again.append(KEY, 4, bytes('two\n'));
  expect(await again.read(KEY, 0)).toEqual([
    [0, START],
    [4, START + 2000],
  ]);
});

test('bytes that a power cut took keep the time at which they came first', async () => {
  const { times, clock, blobs, restart } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  clock.advance(1000);
  await times.append(KEY, 4, bytes('two\n'));
  clock.advance(1000);
  await written(blobs, [
    [0, START],
    [4, START + 1000],
  ]);
  await blobs.remove(KEY);
  clock.advance(59_000);
  const { times: again } = await restart();
  await again.append(KEY, 0, bytes('one\ntwo\n'));
  clock.advance(1000);
  await again.append(KEY, 8, bytes('three\n'));
  expect(await again.read(KEY, 0)).toEqual([
    [0, START],
    [4, START + 1000],
    [8, START + 62_000],
  ]);
});

test('an output that is removed and sent again from the start keeps its times', async () => {
  const { times, clock, blobs } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  await blobs.remove(KEY);
  clock.advance(1000);
  expect(await times.append(KEY, 0, bytes('ONE\n'))).toEqual({ size: 4 });
  expect(await times.read(KEY, 0)).toEqual([[0, START]]);
});

test('a part of a mark, and zeros, as power cuts leave them, do not harm what follows', async () => {
  for (const torn of [Buffer.alloc(7, 1), Buffer.alloc(24), Buffer.alloc(30)]) {
    const { times, clock, blobs, restart } = await start();
    await times.append(KEY, 0, bytes('one\n'));
    clock.advance(1000);
    await written(blobs, [[0, START]]);
    await blobs.append(TIMES, 12, torn);
    const { times: again, blobs: later } = await restart();
    await again.append(KEY, 4, bytes('two\n'));
    const marks: [number, number][] = [
      [0, START],
      [4, START + 1000],
    ];
    expect(await again.read(KEY, 0)).toEqual(marks);
    clock.advance(1000);
    await written(later, marks);
  }
});

test('an output that began before its times could be kept has none for its beginning', async () => {
  const { times, clock, blobs } = await start();
  await blobs.append(KEY, 0, bytes('old\n'));
  clock.advance(1000);
  await times.append(KEY, 4, bytes('new\n'));
  expect(await times.read(KEY, 0)).toEqual([[4, START + 1000]]);
});

test('a gap is refused as ever, and leaves no mark', async () => {
  const { times } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  await expect(times.append(KEY, 9, bytes('x'))).rejects.toThrow('output.offset');
  expect(await times.read(KEY, 0)).toEqual([[0, START]]);
});

test('a clock that is set back does not put the times out of order', async () => {
  const { times, clock } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  clock.jump(-60_000);
  await times.append(KEY, 4, bytes('two\n'));
  clock.jump(120_000);
  await times.append(KEY, 8, bytes('three\n'));
  expect(await times.read(KEY, 0)).toEqual([
    [0, START],
    [8, START + 60_000],
  ]);
});

test('times that cannot be written cost the output nothing, and come when they can be', async () => {
  let fails = true;
  const { times, clock, blobs, warned } = await start({ withBlobs: failing(() => fails) });
  expect(await times.append(KEY, 0, bytes('one\n'))).toEqual({ size: 4 });
  clock.advance(1000);
  await vi.waitFor(() => expect(warned).toHaveLength(1));
  expect(await blobs.stat(TIMES)).toBeUndefined();
  const marks: [number, number][] = [
    [0, START],
    [4, START + 1000],
  ];
  expect(await times.read(KEY, 0)).toEqual(marks.slice(0, 1));
  fails = false;
  await times.append(KEY, 4, bytes('two\n'));
  clock.advance(1000);
  await written(blobs, marks);
  expect(await times.read(KEY, 0)).toEqual(marks);
});

test('times that cannot be written for very long are given up, not told wrong', async () => {
  let fails = false;
  const { times, clock, blobs, warned } = await start({ withBlobs: failing(() => fails) });
  await times.append(KEY, 0, bytes('x'));
  clock.advance(1000);
  await written(blobs, [[0, START]]);
  fails = true;
  for (let offset = 1; offset <= 1_000; offset++) {
    clock.advance(100);
    await times.append(KEY, offset, bytes('x'));
  }
  clock.advance(1000);
  await vi.waitFor(() => expect(warned).toHaveLength(1));
  expect((await blobs.stat(KEY))?.bytes).toBe(1_001);
  expect(await times.read(KEY, 0)).toEqual([]);
  await vi.waitFor(async () => expect(await blobs.stat(TIMES)).toBeUndefined());
});

test('times that cannot be read cost the output nothing', async () => {
  const { times, warned, blobs } = await start({
    withBlobs: (under) => ({
      ...under,
      async stat(key) {
        if (key === TIMES) throw new Error('the disk is broken there');
        return under.stat(key);
      },
    }),
  });
  await blobs.append(KEY, 0, bytes('one\n'));
  expect(await times.append(KEY, 4, bytes('two\n'))).toEqual({ size: 8 });
  await vi.waitFor(() => expect(warned).toHaveLength(1));
});

test('an output that has ended is forgotten, and its times are written', async () => {
  const { times, blobs, clock } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  clock.advance(1000);
  await times.append(KEY, 4, bytes('two\n'));
  await times.end(KEY);
  const marks: [number, number][] = [
    [0, START],
    [4, START + 1000],
  ];
  await written(blobs, marks);
  expect(await times.read(KEY, 0)).toEqual(marks);
});

test('who closes loses no time, and after a pause a mark does not wait', async () => {
  const { times, blobs, clock } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  await times.close();
  await written(blobs, [[0, START]]);
  clock.advance(1000);
  await times.append(KEY, 4, bytes('two\n'));
  const marks: [number, number][] = [
    [0, START],
    [4, START + 1000],
  ];
  await written(blobs, marks);
});

test('an output all of which came in the last second has no times but its end', async () => {
  const { times, blobs, clock } = await start();
  await times.append(KEY, 0, bytes('one\n'));
  clock.advance(999);
  await times.append(KEY, 4, bytes('two\n'));
  await times.end(KEY);
  clock.advance(1000);
  expect(await times.read(KEY, 0)).toEqual([]);
  expect(await blobs.stat(TIMES)).toBeUndefined();
});

test('many marks come ever further apart, and one answer holds some ten thousand', async () => {
  const { times, clock, blobs } = await start();
  const count = 30_000;
  await blobs.append(KEY, 0, Buffer.alloc(count));
  const marks = Array.from({ length: count }, (_, index): [number, number] => [
    index,
    START + index,
  ]);
  await blobs.append(TIMES, 0, packMarks(marks));
  const told = await times.read(KEY, 0);
  expect(told.length).toBeLessThanOrEqual(10_001);
  expect(told[0]).toEqual([0, START]);
  for (const [index, [, at]] of told.entries()) {
    expect(at - (told[index - 1]?.[1] ?? at)).toBeLessThanOrEqual(4);
  }
  clock.advance(count + 40);
  await times.append(KEY, count, bytes('x'));
  clock.advance(10);
  await times.append(KEY, count + 1, bytes('too soon'));
  clock.advance(21);
  await times.append(KEY, count + 9, bytes('x'));
  expect(await times.read(KEY, count)).toEqual([
    [count, START + count + 40],
    [count + 9, START + count + 71],
  ]);
});
