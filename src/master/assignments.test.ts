import { expect, test } from 'vitest';
import { openYard, settled } from '../../test/kit/yard.ts';
import { YardError } from '../base/errors.ts';
import { runRequest } from '../protocol/run.ts';

test('a grant that was not sent yet when its slave was drained goes back to the queue', async () => {
  let found: () => void = () => {};
  const yard = await openYard({
    hub: {
      takeOrigin: async (id) => {
        await new Promise<void>((resolve) => (found = resolve));
        return yard.archive.takeOrigin(id);
      },
    },
  });
  const slave = await yard.welcomed('s1');
  const id = await yard.run();
  expect((await yard.at(id)).state).toBe('PENDING.assigned');
  const drain = { type: 'drain.requested', at: 1, by: 'me', note: 'disk' } as const;
  await yard.yard.transact((tx) => void tx.slave('s1', drain));
  found();
  await settled();
  expect(slave.all('assign')).toEqual([]);
  expect(await yard.at(id)).toMatchObject({ state: 'PENDING.queued', context: { lost: 0 } });
});

test('a run that is aborted before its assignment is sent is not started', async () => {
  let ready: () => void = () => {};
  const request = runRequest.parse({ argv: ['true'] });
  const takeOrigin = async () => {
    await new Promise<void>((resolve) => (ready = resolve));
    return { request, createdAt: 0 };
  };
  const yard = await openYard({ hub: { takeOrigin } });
  const slave = await yard.welcomed('s1');
  const id = await yard.run();
  await settled();
  await yard.abort(id);
  await settled();
  ready();
  await settled();
  const order = slave.heard.map(({ type }) => type).filter((type) => type !== 'welcome');
  expect(order).not.toEqual(['stop', 'assign']);
});

test('a run whose request cannot be read fails, and takes no slot', async () => {
  const broken = new YardError('store.corrupt', 'a record does not decode');
  const yard = await openYard({ hub: { takeOrigin: () => Promise.reject(broken) } });
  const slave = await yard.welcomed('s1', { slots: 1 });
  const id = await yard.run();
  await settled();
  const { state, context } = await yard.at(id);
  expect([state, context.reason]).toEqual(['FAILED', 'store.corrupt']);
  expect(yard.yard.rooms.get('s1')?.used.size).toBe(0);
  expect(slave.all('assign')).toEqual([]);
});
