import { expect, test } from 'vitest';
import { untilAsked } from './daemon.ts';
import { fakeHost } from './host-fixture.ts';

test('a daemon that ends by itself exits with 0, and signals end the process again', async () => {
  const { host, signal } = fakeHost();
  const daemon = { done: Promise.resolve(), leave: never, force: never };
  expect(await untilAsked(host, async () => daemon)).toBe(0);
  // Nobody listens any more: this would call `never`.
  signal('SIGTERM');
});

test('one signal lets a daemon finish', async () => {
  const { host, signal } = fakeHost();
  let finish = () => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const heard: string[] = [];
  const status = untilAsked(host, async () => ({
    done: new Promise(() => {}),
    leave(name) {
      heard.push(name);
      return finished;
    },
    force: never,
  }));
  await turn();
  signal('SIGTERM');
  await turn();
  expect(heard).toEqual(['SIGTERM']);
  finish();
  expect(await status).toBe(0);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('a second signal, %s, ends a daemon that still finishes', async (second, code) => {
  const { host, signal } = fakeHost();
  let forced = 0;
  const status = untilAsked(host, async () => ({
    done: new Promise(() => {}),
    leave: () => new Promise(() => {}),
    force: async () => void forced++,
  }));
  await turn();
  signal('SIGINT');
  signal(second);
  expect(await status).toBe(code);
  expect(forced).toBe(1);
});

test('two signals end a daemon that never gets started', async () => {
  const { host, signal } = fakeHost();
  const status = untilAsked(host, () => new Promise(() => {}));
  signal('SIGTERM');
  signal('SIGTERM');
  expect(await status).toBe(143);
});

test('why a daemon cannot go on is heard', async () => {
  const { host } = fakeHost();
  const done = Promise.reject(new Error('the disk is gone'));
  const status = untilAsked(host, async () => ({ done, leave: never, force: never }));
  await expect(status).rejects.toThrow('the disk is gone');
});

async function never(): Promise<never> {
  throw new Error('nobody asked for this');
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
