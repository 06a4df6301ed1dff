import { expect, test } from 'vitest';
import type { OutputTimes } from '../protocol/http.ts';
import { YardError } from '../base/errors.ts';
import { makeLineTimes } from './line-times.ts';

type Marks = OutputTimes['marks'];
const START = 1_767_225_600_000;
const T = (ms: number) => `2026-01-01T00:00:0${(ms / 1000).toFixed(3)}Z `;

/** Stamps pieces of which the times are known as they come. */
function start(marks: Marks, { grows = false, hasReturns = true } = {}) {
  const asked: number[] = [];
  let readable = 0;
  const ask = async (from: number) => {
    asked.push(from);
    const last = marks.findLastIndex(([offset]) => offset <= from);
    return { marks: marks.slice(Math.max(0, last)).filter(([offset]) => offset < readable) };
  };
  const stamp = makeLineTimes({ ask, grows, hasReturns });
  return {
    asked,
    show: async (text: string, isReadable = text.length) => {
      readable += isReadable;
      return Buffer.from(await stamp(Buffer.from(text))).toString();
    },
  };
}

test('each line begins with the time of its first byte', async () => {
  const { show, asked } = start([
    [0, START],
    [5, START + 1_500],
  ]);
  expect(await show('one\ntwo\nthree')).toBe(`${T(0)}one\n${T(0)}two\n${T(1500)}three`);
  expect(asked).toEqual([0]);
});

test('lines are the same however their bytes were cut, and an end begins none', async () => {
  const text = 'one\r\ntwo\rthree\n\nfive\n';
  const stamped = `${T(0)}one\r\n${T(0)}two\r${T(0)}three\n${T(0)}\n${T(0)}five\n`;
  for (let size = 1; size <= text.length; size++) {
    const { show } = start([[0, START]]);
    let seen = '';
    for (let i = 0; i < text.length; i += size) seen += await show(text.slice(i, i + size));
    expect(seen).toBe(stamped);
  }
});

test('byte for byte, a return begins no line', async () => {
  const { show } = start([[0, START]], { hasReturns: false });
  expect(await show('10%\r20%\nend')).toBe(`${T(0)}10%\r20%\n${T(0)}end`);
});

test('a line from before the first mark has no time', async () => {
  const { show } = start([[4, START]]);
  const lines = (await show('old\nnew\n')).split('\n');
  expect(lines).toEqual([`${'-'.padEnd(24)} old`, `${T(0)}new`, '']);
});

test('of what grows, times are asked for as far as they are not known', async () => {
  const { show, asked } = start(
    [
      [0, START],
      [4, START + 1_000],
      [8, START + 2_000],
    ],
    { grows: true },
  );
  expect(await show('one\n', 9)).toBe(`${T(0)}one\n`);
  expect(await show('two\n', 0)).toBe(`${T(1000)}two\n`);
  expect(asked).toEqual([0]);
  expect(await show('three\n', 6)).toBe(`${T(2000)}three\n`);
  expect(asked).toEqual([0, 8]);
});

test('what could not be asked for is asked for again with the same bytes', async () => {
  let isAway = true;
  const stamp = makeLineTimes({
    ask: async () => {
      if (isAway) throw new YardError('net.unreachable', 'the master is away');
      return { marks: [[0, START]] };
    },
    grows: true,
    hasReturns: true,
  });
  await expect(stamp(Buffer.from('one\n'))).rejects.toThrow('net.unreachable');
  isAway = false;
  expect(Buffer.from(await stamp(Buffer.from('one\n'))).toString()).toBe(`${T(0)}one\n`);
});
