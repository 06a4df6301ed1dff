import { expect, test } from 'vitest';
import { LEASE_MS, openYard, settled } from '../../test/kit/yard.ts';

test('a drain is settled when its slave has noted it, not before', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1', { protocol: { min: '1.0', max: '1.1' } });
  const settledBy = await drainOf(yard);
  expect(settledBy.over).toBe(false);
  slave.send({ type: 'drained', leaving: false });
  await settled();
  expect(settledBy.over).toBe(true);
});

test('the drain of a slave of 1.0 is settled when it has spoken of all that was granted', async () => {
  const yard = await openYard();
  await yard.run();
  const slave = await yard.welcomed('s1');
  const settledBy = await drainOf(yard);
  expect(settledBy.over).toBe(false);
  slave.send({ type: 'progress', ...slave.claim(), phase: 'executing' });
  await settled();
  expect(settledBy.over).toBe(true);
});

test('a grant is on its way to a slave of 1.0, even when its run is aborted meanwhile', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  await yard.abort(id, 'no need');
  const settledBy = await drainOf(yard);
  expect(settledBy.over).toBe(false);
  slave.send({ type: 'progress', ...slave.claim(), phase: 'stopping' });
  await settled();
  expect(settledBy.over).toBe(true);
});

test.each([
  ['connects again', 'welcome'],
  ['is gone for a lease', 'lease'],
  ['is resumed', 'resume'],
])('the drain of a slave that went away is settled when it %s', async (_, how) => {
  const yard = await openYard();
  const protocol = { min: '1.0', max: '1.1' };
  const slave = await yard.welcomed('s1', { protocol });
  slave.close();
  await settled();
  const settledBy = await drainOf(yard);
  expect(settledBy.over).toBe(false);
  if (how === 'welcome') await yard.welcomed('s1', { protocol });
  else if (how === 'lease') await yard.pass(LEASE_MS + 1_000);
  else {
    const at = yard.clock.wall();
    await yard.yard.transact(
      (tx) => void tx.slave('s1', { type: 'resume.requested', at, by: 'me' }),
    );
  }
  await settled();
  expect(settledBy.over).toBe(true);
});

test('a slave that leaves is given nothing more, and is not asked again and again', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  await yard.run();
  await settled();
  slave.send({ type: 'reject', ...slave.claim(), reason: 'leaving' });
  await settled();
  await yard.run();
  await settled();
  expect(slave.all('assign')).toHaveLength(1);
});

test('a drained slave gets nothing new until it is resumed, even when it connects again', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  const at = yard.clock.wall();
  await yard.yard.transact(
    (tx) => void tx.slave('s1', { type: 'drain.requested', at, by: 'me', note: 'disk' }),
  );
  const id = await yard.run();
  await settled();
  expect(slave.all('drain')).toEqual([{ type: 'drain', note: 'disk', by: 'me' }]);
  expect(slave.all('assign')).toEqual([]);
  slave.close();
  const again = await yard.welcomed('s1');
  expect(again.all('welcome')[0]?.draining).toBe(true);
  expect(again.all('assign')).toEqual([]);
  await yard.yard.transact((tx) => void tx.slave('s1', { type: 'resume.requested', at, by: 'me' }));
  await settled();
  expect(again.all('resume')).toHaveLength(1);
  expect(again.claim()).toMatchObject({ runId: id, attempt: 1 });
});

/** Drains s1; `over` once that is settled. */
async function drainOf({ yard, hub, clock }: Awaited<ReturnType<typeof openYard>>) {
  const at = clock.wall();
  const drain = { type: 'drain.requested', at, by: 'me', note: 'disk' } as const;
  await yard.transact((tx) => void tx.slave('s1', drain));
  const settledBy = { over: false };
  void hub.drained('s1').then(() => (settledBy.over = true));
  await settled();
  return settledBy;
}
