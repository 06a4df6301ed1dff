import { expect, test } from 'vitest';
import { firstDifference, makeEventLog } from './determinism.ts';
import { KIND, inMacrotask, makeKernel } from './kernel.ts';
import { playTwice } from './play.ts';
import { drawScenario } from './swarm.ts';

/** A play of ten events, of which one may mix something of its own into the trace. */
async function play(oddAt?: number, count = 10) {
  const log = makeEventLog();
  const kernel = makeKernel(() => {}, log.onEvent);
  const life = kernel.makeLife('p');
  for (let i = 0; i < count; i++) {
    kernel.after(i * 1000, KIND.timer, () => i === oddAt && kernel.note(7), life);
  }
  await inMacrotask(() => kernel.run(() => false));
  return log;
}

test('equal plays have no difference', async () => {
  expect(firstDifference(await play(), await play())).toBeUndefined();
});

test.each([0, 4, 9])('the first event that differs is named, at %i', async (odd) => {
  const at = `timer of p at 0.00${odd}000 s`;
  expect(firstDifference(await play(), await play(odd))).toBe(
    `event ${odd + 1}: ${at}, and then ${at}`,
  );
});

test('a play that ends early differs at its end', async () => {
  expect(firstDifference(await play(undefined, 6), await play())).toBe(
    'event 7: no event, and then timer of p at 0.006000 s',
  );
});

test.each(['calm', 'master', 'everything'] as const)(
  'a scenario of profile %s played twice is the same, event for event',
  async (profile) => {
    const { violations, events } = await playTwice(drawScenario('twice', { profile, runs: 10 }));
    expect(violations.filter(({ oracle }) => oracle.startsWith('X'))).toEqual([]);
    expect(events).toBeGreaterThan(100);
  },
);
