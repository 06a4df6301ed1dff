import { expect, test } from 'vitest';
import { LEASE_MS, finishedMessage, held, openYard, settled, taken } from '../../test/kit/yard.ts';

test('a slave that greets is welcomed, given work, and acknowledged once its report is saved', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  expect(slave.heard.map(({ type }) => type)).toEqual(['welcome', 'assign']);
  const claim = slave.claim();
  expect(claim).toMatchObject({ runId: id, attempt: 1 });
  slave.send({ type: 'accept', ...claim });
  slave.send({ type: 'progress', ...claim, phase: 'executing' });
  await settled();
  expect(await yard.at(id)).toMatchObject({ state: 'RUNNING.executing' });
  slave.send(finishedMessage(claim, 3));
  await settled();
  expect(await yard.at(id)).toMatchObject({ state: 'COMPLETE', context: { reason: 'exited 3' } });
  expect(slave.all('acknowledge')).toEqual([
    { type: 'acknowledge', runId: id, attempt: 1, stale: false },
  ]);
});

test('a slave that is silent for its lease loses its attempts, which go ahead to another', async () => {
  const yard = await openYard();
  const silent = await yard.welcomed('s1', { slots: 1 });
  const id = await yard.run();
  await settled();
  silent.send({ type: 'accept', ...silent.claim() });
  await settled();
  const [, behind] = [await yard.run(), await yard.run()];
  await yard.pass(LEASE_MS + 1);
  const lost = await yard.at(id);
  expect(lost).toMatchObject({ state: 'PENDING.queued', context: { attempt: 1, lost: 1 } });
  expect(lost.context).toMatchObject({ ahead: true, failures: 0 });
  expect(silent.closed).toContain('lease.expired');
  const other = await yard.welcomed('s2', { slots: 1 });
  expect(other.claim()).toMatchObject({ runId: id, attempt: 2 });
  expect((await yard.at(behind)).state).toBe('PENDING.queued');
});

test('a heartbeat is answered and keeps the lease', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  for (let beat = 1; beat <= 5; beat++) {
    await yard.pass(LEASE_MS - 1_000);
    slave.send({ type: 'heartbeat', beat });
    await settled();
  }
  expect(slave.all('renew').map(({ beat }) => beat)).toEqual([1, 2, 3, 4, 5]);
  expect(yard.yard.ledger.slave('s1')).toMatchObject({ state: 'ONLINE', context: { losses: 0 } });
});

test('a blink of the network costs nothing: the attempt goes on', async () => {
  const yard = await openYard();
  const { id, slave, claim } = await taken(yard);
  await settled();
  slave.close();
  await yard.pass(LEASE_MS - 1_000);
  const again = await yard.welcomed('s1', { held: held(claim) });
  expect(again.all('welcome')[0]).toMatchObject({ forget: [], stop: [], held: [{ runId: id }] });
  await yard.pass(LEASE_MS - 1_000);
  expect((await yard.at(id)).context).toMatchObject({ attempt: 1, lost: 0 });
  expect((await yard.at(id)).state).toBe('RUNNING.preparing');
});

test('a run that loses slave after slave ends FAILED and is not given out again', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], lostMax: 2 });
  for (let i = 0; i < 6; i++) {
    const slave = await yard.welcomed(`s${i}`);
    if (slave.all('assign').length === 0) break;
    slave.send({ type: 'accept', ...slave.claim() });
    slave.send({ type: 'goodbye', reason: 'crash' });
    await settled();
  }
  const { state, context } = await yard.at(id);
  expect(state).toBe('FAILED');
  expect(context.reason).toMatch(/^lost slave s\d$/);
});

test('a goodbye gives the attempts to others at once', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  slave.send({ type: 'accept', ...slave.claim() }, { type: 'goodbye', reason: 'reboot' });
  await settled();
  const other = await yard.welcomed('s2');
  expect(other.claim()).toMatchObject({ runId: id, attempt: 2 });
  expect(yard.yard.ledger.slave('s1')).toMatchObject({
    state: 'OFFLINE',
    context: { whyGone: 'reboot', losses: 0 },
  });
});

test('nothing is sent before its commit is on disk, and nothing at all when it fails', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  yard.gate.hold();
  const submitted = yard.run();
  submitted.catch(() => {});
  await settled();
  expect([slave.all('assign'), yard.events]).toEqual([[], []]);
  yard.gate.release();
  await submitted;
  await settled();
  const claim = slave.claim();
  yard.gate.hold();
  slave.send(finishedMessage(claim));
  await settled();
  expect(slave.all('acknowledge')).toEqual([]);
  expect((await yard.at(claim.runId)).state).toBe('PENDING.assigned');
  const fatal = expect(yard.yard.fatal).rejects.toThrow('disk gone');
  yard.gate.fail(new Error('disk gone'));
  await fatal;
  await settled();
  expect(slave.all('acknowledge')).toEqual([]);
  expect((await yard.at(claim.runId)).state).toBe('PENDING.assigned');
  await expect(yard.run()).rejects.toThrow(/^master.stopped/);
});
