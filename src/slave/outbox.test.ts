import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import type { ToMaster } from '../protocol/to-master.ts';
import { makeOutbox } from './outbox.ts';

function setUp(attempts: number) {
  const clock = manualClock();
  const frames: number[] = [];
  const outbox = makeOutbox(
    clock,
    () => attempts,
    (messages) => frames.push(messages.length),
  );
  const put = (count: number) => {
    for (let i = 0; i < count; i++) outbox.put(MESSAGE);
  };
  return { clock, frames, outbox, put };
}

const MESSAGE = { type: 'goodbye' } as unknown as ToMaster;

test('with few attempts, what is put in one turn goes at its end in one frame', async () => {
  const { frames, put } = setUp(3);
  put(2);
  expect(frames).toEqual([]);
  await Promise.resolve();
  expect(frames).toEqual([2]);
});

test('with many, messages wait for half as many as attempts, or for six milliseconds', async () => {
  const { clock, frames, put } = setUp(20);
  put(9);
  clock.advance(5);
  expect(frames).toEqual([]);
  clock.advance(1);
  expect(frames).toEqual([9]);
  put(9);
  clock.advance(1);
  put(1);
  await Promise.resolve();
  expect(frames).toEqual([9, 10]);
  clock.advance(100);
  expect(frames).toEqual([9, 10]);
});

test('news that nobody waits for goes with the next message, or after ten milliseconds', async () => {
  const { clock, frames, outbox, put } = setUp(3);
  outbox.putSoon(MESSAGE);
  clock.advance(9);
  expect(frames).toEqual([]);
  put(1);
  await Promise.resolve();
  expect(frames).toEqual([2]);
  outbox.putSoon(MESSAGE);
  clock.advance(10);
  expect(frames).toEqual([2, 1]);
});

test('what was cleared is not sent', () => {
  const { clock, frames, outbox, put } = setUp(3);
  put(1);
  outbox.clear();
  clock.advance(10);
  expect(frames).toEqual([]);
});
