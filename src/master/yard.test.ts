import { expect, test } from 'vitest';
import { finishedMessage, me, openYard, settled } from '../../test/kit/yard.ts';
import { runRequest } from '../protocol/run.ts';
import { badEndOf } from './yard.ts';

test('runs are spread over the slaves with most room, and none gets more than its slots', async () => {
  const yard = await openYard();
  const [a, b] = [await yard.welcomed('s1', { slots: 3 }), await yard.welcomed('s2', { slots: 1 })];
  const requests = Array.from({ length: 9 }, () => runRequest.parse({ argv: ['true'] }));
  await yard.submit(requests, me);
  await settled();
  expect([a.all('assign').length, b.all('assign').length]).toEqual([3, 1]);
  expect(yard.yard.queue.size).toBe(5);
  a.send(finishedMessage(a.claim(0)));
  await settled();
  expect([a.all('assign').length, b.all('assign').length]).toEqual([4, 1]);
});

test('a run leaves the queue when its time in it is over, by the clock alone', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], queueTimeoutMs: 5_000 });
  await yard.pass(4_999);
  expect((await yard.at(id)).state).toBe('PENDING.queued');
  await yard.pass(1);
  const run = await yard.at(id);
  expect([run.state, run.context.reason]).toEqual(['TIMEDOUT', 'timeout.queue']);
  expect(yard.yard.queue.has(id)).toBe(false);
});

test('a jump of the wall clock ends nothing', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], queueTimeoutMs: 5_000 });
  yard.clock.jump(3_600_000);
  await yard.pass(4_000);
  expect((await yard.at(id)).state).toBe('PENDING.queued');
});

test('a failed run waits for its backoff and is granted again', async () => {
  const yard = await openYard();
  const retry = { backoffMs: 10_000, backoffMaxMs: 10_000 };
  const id = await yard.run({ argv: ['false'], retries: 1, retry });
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage(slave.claim(), 1));
  await yard.pass(4_000);
  expect((await yard.at(id)).state).toBe('PENDING.backoff');
  slave.send({ type: 'heartbeat', beat: 1 });
  await yard.pass(7_000);
  expect(slave.claim()).toMatchObject({ runId: id, attempt: 2 });
  slave.send(finishedMessage(slave.claim(), 1));
  await settled();
  expect(await yard.at(id)).toMatchObject({ state: 'COMPLETE', context: { failures: 1 } });
});

test('an attempt whose slave never ends it is ended by the master, after all its own limits', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], timeoutMs: 1_000, graceMs: 1_000 });
  const slave = await yard.welcomed('s1');
  slave.send({ type: 'accept', ...slave.claim() });
  await yard.pass(10_000);
  slave.send({ type: 'heartbeat', beat: 1 });
  await yard.pass(6_000);
  expect((await yard.at(id)).state).toBe('RUNNING.preparing');
  await yard.pass(2_000);
  const run = await yard.at(id);
  expect([run.state, run.context.reason]).toEqual(['TIMEDOUT', 'timeout.run']);
  expect(slave.all('stop')).toHaveLength(1);
});

test('a run waits for those it is after, and their bad end aborts it with the reason', async () => {
  const yard = await openYard();
  const [good, bad] = [await yard.run(), await yard.run()];
  const after = async (...ids: string[]) => yard.run({ argv: ['true'], after: ids });
  const [free, doomed] = [await after(good), await after(good, bad)];
  const chained = await after(doomed);
  const slave = await yard.welcomed('s1');
  expect(slave.all('assign').map(({ runId }) => runId)).toEqual([good, bad]);
  slave.send(finishedMessage(slave.claim(0)), finishedMessage(slave.claim(1), 2));
  await settled();
  expect(slave.claim().runId).toBe(free);
  const reasons = [await yard.at(doomed), await yard.at(chained)].map((run) => run.context.reason);
  expect(reasons).toEqual([
    `blocked by ${bad}: COMPLETE (exited 2)`,
    `blocked by ${doomed}: ABORTED (blocked by ${bad}: COMPLETE (exited 2))`,
  ]);
});

test('a clock that was set forward ends no run that still has its time, also over a restart', async () => {
  const first = await openYard();
  const id = await first.run({ argv: ['true'], timeoutMs: 60_000 });
  const slave = await first.welcomed('s1');
  const claim = slave.claim();
  slave.send({ type: 'accept', ...claim });
  await settled();
  first.clock.jump(3_600_000);
  slave.send({ type: 'progress', ...claim, phase: 'executing' });
  await first.pass(1_000);
  expect(await first.at(id)).toMatchObject({ state: 'RUNNING.executing' });
  const second = await openYard({ memory: first.memory, clock: first.clock });
  await second.pass(60_000);
  expect(await second.at(id)).toMatchObject({ state: 'RUNNING.executing' });
  await second.pass(60_000);
  expect(await second.at(id)).toMatchObject({ state: 'TIMEDOUT' });
});

test('a clock that was set back before a restart makes no wait longer than its limit', async () => {
  const first = await openYard();
  const id = await first.run({ argv: ['true'], queueTimeoutMs: 30_000 });
  first.clock.jump(-3_600_000);
  const second = await openYard({ memory: first.memory, clock: first.clock });
  await second.pass(31_000);
  expect(await second.at(id)).toMatchObject({ state: 'TIMEDOUT' });
});

test('a restart keeps the order in which runs came to the queue, whenever they were submitted', async () => {
  const first = await openYard();
  const [late, early] = [await first.run({ argv: ['true'], held: true }), await first.run()];
  const event = { type: 'run.released', at: first.clock.wall(), by: 'me' } as const;
  await first.yard.transact((tx) => void tx.run(late, event, 'me'));
  const second = await openYard({ memory: first.memory, clock: first.clock });
  const slave = await second.welcomed('s1', { slots: 2 });
  expect(slave.all('assign').map(({ runId }) => runId)).toEqual([early, late]);
});

test('after a restart a blocked run hears of a blocker that ends, and of one that had ended', async () => {
  const first = await openYard();
  const blocker = await first.run();
  const waiting = await first.run({ argv: ['true'], after: [blocker] });
  const second = await openYard({ memory: first.memory, clock: first.clock });
  const slave = await second.welcomed('s1');
  slave.send(finishedMessage(slave.claim()));
  await settled();
  expect(slave.claim().runId).toBe(waiting);
});

test('whoever waits for the end of a run is woken once it is on disk, or when it gives up', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  const heard: unknown[] = [];
  const first = yard.yard.untilDone(id);
  void first.record.then((run) => heard.push(run));
  const ended = yard.yard.untilDone(id).record;
  first.giveUp();
  await settled();
  expect(heard).toEqual([undefined]);
  slave.send(finishedMessage(slave.claim()));
  expect(await ended).toMatchObject({ id, state: 'COMPLETE' });
});

test('only exit status 0 is a good end', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const run = await yard.at(id);
  const ended = (state: string, own: object) =>
    badEndOf({ ...run, state, context: { ...run.context, ...own } });
  expect(ended('COMPLETE', { ending: { kind: 'exited', code: 0 } })).toBeUndefined();
  expect(ended('COMPLETE', { ending: { kind: 'exited', code: 1 }, reason: 'exited 1' })).toBe(
    'COMPLETE (exited 1)',
  );
  expect(ended('TIMEDOUT', { reason: 'timeout.queue' })).toBe('TIMEDOUT (timeout.queue)');
});

test('a label that is not well-formed text does not stop the scheduling', async () => {
  const yard = await openYard();
  const os = JSON.parse('"\\ud800"') as string;
  await yard.run({ argv: ['true'], labels: { os } });
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  expect(slave.claim().runId).toBe(id);
});

test('the abort of a job and of its runs is one decision: a restart forgets no half of it', async () => {
  const yard = await openYard();
  const id = yard.ids.sortable(yard.clock.wall());
  const request = runRequest.parse({ argv: ['true'] });
  await yard.yard.transact((tx) => {
    tx.createJob({ id: 'j', runs: [id], createdAt: 0 });
    tx.createRun(id, { request, job: 'j', createdAt: 0 }, { blockers: [] }, 'me');
  });
  const { commit } = yard.store;
  let commits = 0;
  yard.store.commit = (given) => (commits++ === 0 ? commit(given) : new Promise(() => {}));
  const event = { type: 'job.abortRequested', at: 1, by: 'me', why: 'enough' } as const;
  await yard.yard.transact((tx) => tx.job('j', event));
  const again = await openYard({ memory: yard.memory, clock: yard.clock });
  const job = await again.yard.ledger.findJob('j');

  expect(commits).toBe(1);
  expect([job?.state, (await again.at(id)).state]).toEqual(['COMPLETED', 'ABORTED']);
});
