import { expect, test } from 'vitest';
import { LateAbort } from './late-abort.ts';

test('whoever asks before or after the abort sees it, with the first reason', () => {
  const [before, after] = [new LateAbort(), new LateAbort()];
  const { signal } = before;
  const heard: unknown[] = [];
  signal.addEventListener('abort', () => heard.push(signal.reason));
  for (const late of [before, after]) {
    expect(late.aborted).toBe(false);
    late.throwIfAborted();
    late.abort(new Error('first'));
    late.abort(new Error('second'));
    expect([late.aborted, late.signal.aborted]).toEqual([true, true]);
    expect(late.signal.reason).toEqual(new Error('first'));
    expect(() => late.throwIfAborted()).toThrow('first');
  }
  expect(heard).toEqual([new Error('first')]);
  expect(before.signal).toBe(signal);
});
