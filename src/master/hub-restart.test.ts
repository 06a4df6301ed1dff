import { expect, test } from 'vitest';
import { LEASE_MS, held, openYard, settled, taken } from '../../test/kit/yard.ts';

test('after a restart the attempts of slaves that do not come back are lost after the window', async () => {
  const first = await openYard();
  const id = await first.run();
  const slave = await first.welcomed('s1');
  slave.send({ type: 'accept', ...slave.claim() });
  await settled();
  const second = await openYard({ memory: first.memory, clock: first.clock });
  second.hub.expectReturn(40_000);
  await second.pass(39_000);
  expect((await second.at(id)).state).toBe('RUNNING.preparing');
  await second.pass(2_000);
  expect(await second.at(id)).toMatchObject({ state: 'PENDING.queued', context: { lost: 1 } });
});

test('after a restart an attempt whose slave comes back goes on', async () => {
  const first = await openYard();
  const { id, claim } = await taken(first);
  await settled();
  const second = await openYard({ memory: first.memory, clock: first.clock });
  second.hub.expectReturn(40_000);
  const back = await second.welcomed('s1', { held: held(claim) });
  expect(back.all('welcome')[0]?.masterEpoch).toBeGreaterThan(first.fence.epoch);
  expect(await second.at(id)).toMatchObject({ context: { attempt: 1, lost: 0 } });
  expect(second.yard.rooms.get('s1')?.used.size).toBe(1);
});

test('a master that dies between a lease and its losses requeues them after its restart', async () => {
  const first = await openYard();
  const id = await first.run();
  const slave = await first.welcomed('s1');
  slave.send({ type: 'accept', ...slave.claim() });
  await settled();
  // The first commit after the lease is let through, the second is not.
  first.clock.advance(LEASE_MS - 1);
  first.gate.hold();
  first.clock.advance(2);
  await settled();
  first.gate.release();
  first.gate.hold();
  await settled();
  first.gate.fail(new Error('power'));
  const second = await openYard({ memory: first.memory, clock: first.clock });
  expect(second.yard.ledger.slave('s1')?.state).toBe('OFFLINE');
  second.hub.expectReturn(40_000);
  await second.pass(100_000, 10_000);
  expect((await second.at(id)).state).toBe('PENDING.queued');
});

test('a slave that came back after a restart and falls silent is lost after its lease', async () => {
  const first = await openYard();
  const { id, claim } = await taken(first);
  await settled();
  const second = await openYard({ memory: first.memory, clock: first.clock });
  second.hub.expectReturn(100_000);
  await second.welcomed('s1', { held: held(claim) });
  await second.pass(2 * LEASE_MS);
  expect((await second.at(id)).state).toBe('PENDING.queued');
});

test('a master that is going down greets nobody any more', async () => {
  const yard = await openYard();
  yard.hub.stop('master.stopping: this master is going down');
  const slave = await yard.welcomed('s1');
  expect(slave.closed).toContain('master.stopping');
  expect([slave.heard, yard.hub.sessions(), yard.yard.rooms.size]).toEqual([[], 0, 0]);
});
