import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { untilReached } from './patience.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

function failing(...errors: Error[]) {
  let calls = 0;
  return {
    get calls() {
      return calls;
    },
    work: async () => {
      const error = errors[calls++];
      if (error) throw error;
      return 'done';
    },
  };
}

const away = new YardError('net.unreachable', 'nobody there');

test('what nobody answered is asked again, later each time', async () => {
  const clock = manualClock();
  const task = failing(away, new TypeError('terminated'));
  const done = untilReached(clock, task.work);
  for (const ms of [100, 200]) {
    await settled();
    clock.advance(ms);
  }
  expect(await done).toBe('done');
  expect(task.calls).toBe(3);
});

test('a master without room is asked until it has some', async () => {
  const clock = manualClock();
  const task = failing(new YardError('store.full', 'no space left on device'));
  const done = untilReached(clock, task.work);
  await settled();
  clock.advance(100);
  expect(await done).toBe('done');
});

test('any other failure is thrown at once', async () => {
  const task = failing(new YardError('bundle.digest', 'other bytes'));
  await expect(untilReached(manualClock(), task.work)).rejects.toThrow('bundle.digest');
  expect(task.calls).toBe(1);
});

test('who gives up is told so, and nothing more is asked', async () => {
  const task = failing(away, away);
  const giving = new AbortController();
  const done = untilReached(manualClock(), task.work, giving.signal);
  await settled();
  giving.abort(new Error('stopped'));
  await expect(done).rejects.toThrow('stopped');
  expect(task.calls).toBe(1);
});
