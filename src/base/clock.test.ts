import { expect, test } from 'vitest';
import { manualClock, sleep, systemClock } from './clock.ts';

test('a manual clock fires what is due in order, and what that arms', () => {
  const clock = manualClock();
  const fired: string[] = [];
  clock.setTimeout(() => fired.push(`b ${clock.now()}`), 20);
  clock.setTimeout(() => {
    fired.push(`a ${clock.now()}`);
    clock.setTimeout(() => fired.push(`c ${clock.now()}`), 5);
  }, 10);
  clock.setTimeout(() => fired.push('never'), 15).cancel();
  clock.advance(20);
  expect(fired).toEqual(['a 10', 'c 15', 'b 20']);
});

test('a jump moves the wall and no timer', () => {
  const clock = manualClock(1_000);
  let fired = false;
  clock.setTimeout(() => (fired = true), 1);
  clock.jump(60_000);
  expect([clock.now(), clock.wall(), fired]).toEqual([0, 61_000, false]);
});

test('a sleep ends with its time, or with the reason of its signal', async () => {
  const clock = manualClock();
  const given = new AbortController();
  const done = sleep(clock, 5);
  const cut = sleep(clock, 5, given.signal);
  given.abort(new Error('enough'));
  await expect(cut).rejects.toThrow('enough');
  await expect(sleep(clock, 5, given.signal)).rejects.toThrow('enough');
  clock.advance(5);
  await done;
});

test('the time of the system only grows', () => {
  const before = systemClock.now();
  expect(systemClock.now()).toBeGreaterThanOrEqual(before);
});
