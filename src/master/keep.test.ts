import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { MasterService } from '../protocol/service.ts';
import { keep } from './keep.ts';
import type { KeepPorts } from './keep.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));
const full = new YardError('store.full', 'the state: no space left on device');

/** Masters that a test ends, and what was done in which order. */
function scripted(own: Partial<KeepPorts> = {}) {
  const clock = manualClock();
  const happened: string[] = [];
  let fail: (error: unknown) => void = () => {};
  let service: MasterService | undefined;
  const state = { hasRoom: true, startFails: undefined as YardError | undefined };
  const ports: KeepPorts = {
    clock,
    log: silentLog,
    async start(again) {
      if (state.startFails) throw state.startFails;
      await again?.beforeListening();
      happened.push(again ? `start again at ${again.url}` : 'start');
      const done = new Promise<never>((_resolve, reject) => (fail = reject));
      return { url: 'http://m:1', done, close: async () => void happened.push('close') };
    },
    async standIn(url, given) {
      service = given;
      happened.push(`stand in at ${url}`);
      return { close: async () => void happened.push('close stand-in') };
    },
    hasRoom: async () => state.hasRoom,
    ...own,
  };
  return {
    ports,
    state,
    happened,
    service: () => service!,
    fail: (error: unknown) => fail(error),
    async pass(ms: number) {
      await settled();
      clock.advance(ms);
      await settled();
    },
  };
}

test('a master whose disk is full is closed, answered for, and started again when there is room', async () => {
  const yard = scripted();
  await keep(yard.ports);
  yard.state.hasRoom = false;
  yard.fail(full);
  await yard.pass(1_000);
  await yard.pass(1_000);
  expect(yard.happened).toEqual(['start', 'close', 'stand in at http://m:1']);
  await expect(yard.service().getRun('r1')).rejects.toMatchObject({ code: 'store.full' });
  expect((await yard.service().readiness()).ready).toBe(false);

  yard.state.hasRoom = true;
  yard.state.startFails = full;
  await yard.pass(1_000);
  yard.state.startFails = undefined;
  await yard.pass(1_000);
  expect(yard.happened.slice(3)).toEqual(['close stand-in', 'start again at http://m:1']);
});

test('a master that cannot go on for another reason is not started again', async () => {
  const yard = scripted();
  const kept = await keep(yard.ports);
  yard.fail(new YardError('master.deposed', 'there is a newer one'));
  await expect(kept.done).rejects.toThrow('master.deposed');
  expect(yard.happened).toEqual(['start']);
});

test('nor is one whose new start fails for another reason, or that is asked to end meanwhile', async () => {
  const damaged = scripted();
  const one = await keep(damaged.ports);
  damaged.fail(full);
  damaged.state.startFails = new YardError('store.corrupt', 'damage');
  await damaged.pass(1_000);
  await expect(one.done).rejects.toThrow('store.corrupt');

  const asked = scripted();
  const other = await keep(asked.ports);
  asked.fail(full);
  await settled();
  await other.close();
  await asked.pass(5_000);
  expect(asked.happened).toEqual(['start', 'close', 'stand in at http://m:1', 'close stand-in']);
});

test('a first start without room fails as it is', async () => {
  const yard = scripted();
  yard.state.startFails = full;
  await expect(keep(yard.ports)).rejects.toThrow('store.full');
});
