import { expect, test } from 'vitest';
import { KIND, inMacrotask, makeKernel } from './kernel.ts';
import { makeMachine } from './machine.ts';

function openKernel() {
  const crashes: unknown[] = [];
  const kernel = makeKernel((error) => void crashes.push(error));
  const order: string[] = [];
  const note = (text: string) => () => void order.push(`${kernel.now} ${text}`);
  return { kernel, crashes, order, note, play: () => inMacrotask(() => kernel.run(() => false)) };
}

test('events run by time, those of one instant as they were scheduled', async () => {
  const { kernel, order, note, play } = openKernel();
  kernel.after(20, KIND.timer, note('c'));
  kernel.after(10, KIND.timer, () => {
    note('a')();
    kernel.after(10, KIND.timer, note('d'));
    kernel.after(0, KIND.soon, note('b'));
  });
  await play();
  expect(order).toEqual(['10 a', '10 b', '20 c', '20 d']);
});

test('all that an event woke has run before the next one', async () => {
  const { kernel, order, note, play } = openKernel();
  const wake = async () => {
    for (let i = 0; i < 3; i++) await Promise.resolve();
    note('woken')();
  };
  kernel.after(1, KIND.timer, () => void wake());
  kernel.after(1, KIND.timer, note('next'));
  await play();
  expect(order).toEqual(['1 woken', '1 next']);
});

test('what a dead process scheduled never runs', async () => {
  const { kernel, order, note, play } = openKernel();
  const life = kernel.makeLife('p');
  kernel.after(10, KIND.timer, note('late'), life);
  kernel.after(5, KIND.fault, () => kernel.kill(life));
  await play();
  expect(order).toEqual([]);
});

test('a paused process goes on where it stood: timers first, then what came for it', async () => {
  const { kernel, order, note, play } = openKernel();
  const life = kernel.makeLife('p');
  kernel.after(1, KIND.fault, () => kernel.pause(life));
  kernel.after(2, KIND.frame, note('frame'), life);
  kernel.after(3, KIND.timer, note('timer'), life);
  kernel.after(100, KIND.fault, () => kernel.resume(life));
  kernel.after(100, KIND.frame, note('later'), life);
  await play();
  expect(order).toEqual(['101 timer', '101 frame', '101 later']);
});

test('a slow process takes its time for each event', async () => {
  const { kernel, order, note, play } = openKernel();
  const life = kernel.makeLife('p');
  life.costUs = 50;
  for (const name of ['a', 'b', 'c']) kernel.after(1, KIND.frame, note(name), life);
  await play();
  expect(order).toEqual(['1 a', '51 b', '101 c']);
});

test('what an event throws is a crash of its process, and the others go on', async () => {
  const { kernel, crashes, order, note, play } = openKernel();
  kernel.after(1, KIND.timer, () => {
    throw new Error('broken');
  });
  kernel.after(2, KIND.timer, note('on'));
  await play();
  expect(crashes).toHaveLength(1);
  expect(order).toEqual(['2 on']);
});

test("a machine's clocks run at its own rate, and only the wall clock jumps", async () => {
  const { kernel, play } = openKernel();
  const machine = makeMachine(kernel, { name: 'm', rate: 1.5, wallOffsetMs: 0 });
  const clock = machine.clockOf(kernel.makeLife('p'));
  const wall = clock.wall();
  let firedAt = 0;
  clock.setTimeout(() => (firedAt = kernel.now), 300);
  await play();
  expect(firedAt).toBe(200_000);
  expect(clock.now()).toBe(300);
  machine.jump(-3_600_000);
  expect(clock.now()).toBe(300);
  expect(clock.wall()).toBe(wall + 300 - 3_600_000);
});
