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

test('what the master believed on a slave and is not held there is queued again', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  const [accepted, unheard] = [await yard.run(), await yard.run()];
  await settled();
  slave.send({ type: 'accept', ...slave.claim(0) });
  await settled();
  slave.close();
  await yard.welcomed('s1', { incarnation: 's1-1', slots: 1 });
  expect((await yard.at(accepted)).context).toMatchObject({ lost: 1 });
  expect((await yard.at(unheard)).context).toMatchObject({ lost: 0, failures: 0 });
});

test('an attempt that is to stop is named in the welcome, one that is over is to be forgotten', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  const [stopping, over] = [await yard.run(), await yard.run()];
  await settled();
  const [first, second] = [slave.claim(0), slave.claim(1)];
  slave.send({ type: 'accept', ...first }, { type: 'accept', ...second });
  slave.send(finishedMessage(second));
  await settled();
  await yard.abort(stopping);
  await settled();
  expect(slave.all('stop')).toEqual([{ type: 'stop', runId: stopping, attempt: 1 }]);
  slave.close();
  const again = await yard.welcomed('s1', { held: [...held(first), ...held(second)] });
  expect(again.all('welcome')[0]).toMatchObject({
    stop: [{ runId: stopping, attempt: 1 }],
    forget: [{ runId: over, attempt: 1 }],
  });
});

test.each([
  ['1.1', 'goes on, so that they are sent again', 0],
  ['1.0', 'is lost, as that slave cannot send them again', 1],
])('an attempt whose outputs the master lost, of a slave of %s, %s', async (max, _, losses) => {
  const keep = () => Promise.reject(new Error('not all there'));
  const yard = await openYard({ hub: { keep } });
  const { id, claim } = await taken(yard);
  await settled();
  const back = await yard.welcomed('s1', {
    protocol: { min: '1.0', max },
    held: held(claim, 'finished'),
    reports: [reportOf(claim)],
    slots: 1,
  });
  const [welcome] = back.all('welcome');
  const isKept = max === '1.1';
  expect(welcome).toMatchObject({ protocol: max, forget: isKept ? [] : [{ runId: id }] });
  expect(welcome!.held.map(({ runId }) => runId)).toEqual(isKept ? [id] : []);
  const lost = yard.events.filter(({ event }) => event.type === 'slave.lost');
  expect(lost).toHaveLength(losses);
});

test('the lease of a slave whose welcome waits for the disk is not over before that', async () => {
  const yard = await openYard();
  const { id, claim } = await taken(yard);
  await settled();
  yard.gate.hold();
  const back = await yard.welcomed('s1', { held: held(claim) });
  await yard.pass(2 * LEASE_MS);
  expect(back.closed).toBeUndefined();
  yard.gate.release();
  await settled();
  expect(back.all('welcome')).toHaveLength(1);
  await yard.pass(LEASE_MS - 1_000);
  expect(await yard.at(id)).toMatchObject({ context: { lost: 0, attempt: 1 } });
  await yard.pass(2_000);
  expect(await yard.at(id)).toMatchObject({ context: { lost: 1 } });
});

test('no new attempt is granted while a welcomed slave holds the finished one', async () => {
  const yard = await openYard();
  const { id, claim } = await taken(yard);
  await yard.pass(LEASE_MS + 1_000);
  const back = await yard.welcomed('s1', { held: held(claim, 'finished') });
  back.send(finishedMessage(claim));
  await settled();
  expect(await yard.at(id)).toMatchObject({ state: 'COMPLETE', context: { attempt: 1 } });
});
