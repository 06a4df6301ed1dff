import { expect, test } from 'vitest';
import {
  LEASE_MS,
  finishedMessage,
  held,
  openYard,
  reportOf,
  settled,
  taken,
} from '../../test/kit/yard.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import type { HubPorts } from './hub.ts';

test('a late result of a lost attempt counts while no newer attempt is granted', async () => {
  const yard = await openYard();
  const { id, claim } = await taken(yard);
  await yard.pass(LEASE_MS + 1_000);
  expect((await yard.at(id)).state).toBe('PENDING.queued');
  const back = await yard.welcomed('s1', {
    held: held(claim, 'finished'),
    reports: [reportOf(claim)],
  });
  expect(await yard.at(id)).toMatchObject({ state: 'COMPLETE', context: { attempt: 1, lost: 1 } });
  expect(back.all('welcome')[0]?.forget).toEqual([{ runId: id, attempt: 1 }]);
});

test('a late result counts no more once a newer attempt is granted, and is named stale', async () => {
  const yard = await openYard();
  const { id, claim } = await taken(yard);
  await yard.pass(LEASE_MS + 1_000);
  const other = await yard.welcomed('s2');
  expect(other.claim().attempt).toBe(2);
  const before = await yard.at(id);
  const back = await yard.welcomed('s1');
  back.send(finishedMessage(claim, 7));
  await settled();
  expect(back.all('acknowledge')).toEqual([
    { type: 'acknowledge', runId: id, attempt: 1, stale: true },
  ]);
  expect(await yard.at(id)).toEqual(before);
  other.send(finishedMessage(other.claim()));
  await settled();
  expect((await yard.at(id)).context.reason).toBe('exited 0');
});

test.each([
  ['another token', { token: 'forged' }],
  ['a later attempt', { attempt: 2 }],
  ['a run that is not there', { runId: 'nobody' }],
])('a report with %s is acknowledged as stale and changes nothing', async (_, wrong) => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  const claim = { ...slave.claim(), ...wrong };
  const before = await yard.at(id);
  slave.send({ type: 'accept', ...claim });
  slave.send({ type: 'progress', ...claim, phase: 'collecting' });
  slave.send({ type: 'reject', ...claim, reason: 'x' }, finishedMessage(claim));
  await settled();
  expect(await yard.at(id)).toEqual(before);
  expect(new Set(slave.all('acknowledge').map(({ stale }) => stale))).toEqual(new Set([true]));
});

test('a rejected attempt is queued again ahead, and counts neither as a loss nor as a failure', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1', { slots: 1 });
  slave.send({ type: 'reject', ...slave.claim(), reason: 'no slot free' });
  await settled();
  expect((await yard.at(id)).context).toMatchObject({ attempt: 2, lost: 0, failures: 0 });
});

test('a repeated report is not called stale before the first one is on disk', async () => {
  const yard = await openYard();
  await yard.run();
  const slave = await yard.welcomed('s1');
  const claim = slave.claim();
  yard.gate.hold();
  slave.send(finishedMessage(claim));
  slave.send(finishedMessage(claim));
  await settled();
  expect(slave.all('acknowledge')).toEqual([]);
  yard.gate.release();
  await settled();
  expect(slave.all('acknowledge').map(({ stale }) => stale)).toEqual([false, true]);
});

test('a report whose outputs are still kept is decided on when they are, and not before', async () => {
  let kept: () => void = () => {};
  const keep = () => new Promise<void>((resolve) => (kept = resolve));
  const { yard, id, slave } = await reported({ keep });
  expect((await yard.at(id)).state).toBe('PENDING.assigned');
  kept();
  await settled();
  expect((await yard.at(id)).state).toBe('COMPLETE');
  expect(slave.all('acknowledge')).toHaveLength(1);
});

test('a report whose outputs cannot be kept is not acknowledged: the slave is to come again', async () => {
  const keep = () => Promise.reject(new Error('not all there'));
  const { yard, id, slave } = await reported({ keep });
  expect((await yard.at(id)).state).toBe('PENDING.assigned');
  expect([slave.all('acknowledge'), slave.closed]).toEqual([
    [],
    expect.stringContaining('internal'),
  ]);
});

test('outputs of a report that does not count are not kept', async () => {
  const asked: FinishedReport[] = [];
  const keep = (report: FinishedReport) => {
    asked.push(report);
    return undefined;
  };
  const yard = await openYard({ hub: { keep } });
  await yard.run();
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage({ ...slave.claim(), token: 'forged' }));
  await settled();
  expect(asked).toEqual([]);
});

/** A run whose attempt s1 has reported, to a hub with those ports. */
async function reported(hub: Partial<HubPorts>) {
  const yard = await openYard({ hub });
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage(slave.claim()));
  await settled();
  return { yard, id, slave };
}

test('what an attempt says after its end was decided on frees its slot: it is told to drop it', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], timeoutMs: 1_000, graceMs: 0 });
  const slave = await yard.welcomed('s1', { slots: 1 });
  const claim = slave.claim();
  slave.send({ type: 'progress', ...claim, phase: 'executing' });
  for (let beat = 1; !(await yard.at(id)).state.startsWith('TIMEDOUT'); beat++) {
    slave.send({ type: 'heartbeat', beat });
    await yard.pass(1_000);
  }
  const next = await yard.run();
  expect((await yard.at(next)).state).toBe('PENDING.queued');
  slave.send({ type: 'progress', ...claim, phase: 'executing' });
  await settled();
  expect(slave.all('acknowledge').at(-1)).toMatchObject({ runId: id, stale: true });
  expect((await yard.at(next)).state).toBe('PENDING.assigned');
});

test('a slave that says goodbye and then refuses a grant, in one frame, gets nothing more', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  const refused = { type: 'reject', ...slave.claim(), reason: 'leaving' } as const;
  slave.send({ type: 'goodbye', reason: 'drained' }, refused);
  await settled();
  expect((await yard.at(id)).state).toBe('PENDING.queued');
  expect(slave.all('assign')).toHaveLength(1);
});
