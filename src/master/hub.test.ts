import { expect, test } from 'vitest';
import { YardError } from '../base/errors.ts';
import {
  LEASE_MS,
  finishedMessage,
  held,
  openYard,
  reportOf,
  settled,
  taken,
} from '../../test/kit/yard.ts';
import { toMaster } from '../protocol/to-master.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import { runRequest } from '../protocol/run.ts';

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

test.each([
  ['hello.arch: "x86_46" unknown, did you mean "x86_64"?', { arch: 'x86_46' }],
  ['hello.arch: "vax" unknown, known: x86_64', { arch: 'vax' }],
  ['proto.unsupported: slave 2.0–2.3, master 1.0–1.1', { protocol: { min: '2.0', max: '2.3' } }],
  ['proto.unsupported: slave 0.1–0.9', { protocol: { min: '0.1', max: '0.9' } }],
])('a greeting is refused with "%s"', async (text, own) => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1', own);
  const [refusal] = slave.all('refuse');
  expect(refusal?.message).toContain(text);
  expect(refusal?.code).toBe(text.slice(0, text.indexOf(':')));
  expect(slave.closed).toContain(text);
  expect(yard.hub.sessions()).toBe(0);
});

test('a second process of the same name is refused, the first goes on', async () => {
  const yard = await openYard();
  const first = await yard.welcomed('s1');
  const second = await yard.welcomed('s1', { incarnation: 'other' });
  expect(second.all('refuse')).toMatchObject([
    { code: 'hello.duplicate', message: expect.stringContaining('s1 connected from pair') },
  ]);
  expect([first.closed, yard.hub.sessions()]).toEqual([undefined, 1]);
});

test('the same process that connects again replaces its earlier connection', async () => {
  const yard = await openYard();
  const first = await yard.welcomed('s1');
  const second = await yard.welcomed('s1');
  expect(first.closed).toContain('hello.replaced');
  expect(second.all('welcome')).toHaveLength(1);
  const id = await yard.run();
  await settled();
  expect([first.all('assign'), second.claim().runId]).toEqual([[], id]);
});

test('what a replaced connection still says changes nothing', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const first = await yard.welcomed('s1');
  const claim = first.claim();
  first.send(finishedMessage(claim));
  await yard.welcomed('s1', { held: held(claim) });
  await settled();
  const { state } = await yard.at(id);
  const frames = yard.events.filter(({ event }) => event.type === 'attempt.finished').length;
  expect(frames).toBe(state === 'COMPLETE' ? 1 : 0);
  expect(yard.yard.rooms.get('s1')?.used.size).toBe(state === 'COMPLETE' ? 0 : 1);
});

test.each([
  ['says something else first', 'hello.missing', [{ type: 'heartbeat', beat: 1 } as const]],
])('a peer that %s is closed with %s', async (_, code, messages) => {
  const yard = await openYard();
  const slave = yard.slave('s1');
  slave.send(...messages);
  await settled();
  expect(slave.closed).toContain(code);
});

test('a credential is good for its own name only', async () => {
  const yard = await openYard();
  const slave = yard.slave('s1');
  yard.hub.accept(slave.theirs, { name: 's9' });
  slave.greet();
  await settled();
  expect(slave.all('refuse')).toMatchObject([{ code: 'authz.identity_mismatch' }]);
});

test('a second hello on one connection ends it', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  slave.greet();
  await settled();
  expect(slave.closed).toContain('hello.repeated');
});

test.each([0, 257, NaN, 1.5, -1, Infinity])(
  'a hello with %s slots is no message',
  async (slots) => {
    const yard = await openYard();
    const sent: unknown[] = [];
    const slave = yard.slave('s1', { slots: 2 });
    slave.theirs.onMessages((messages) => void sent.push(...messages));
    slave.greet();
    await settled();
    expect(toMaster.safeParse(sent[0]).success).toBe(true);
    const { error } = toMaster.safeParse({ ...(sent[0] as object), slots });
    expect(error?.issues[0]?.path).toEqual(['slots']);
  },
);

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

test('a rejected attempt is queued again ahead, and counts neither as a loss nor as a failure', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const slave = await yard.welcomed('s1', { slots: 1 });
  slave.send({ type: 'reject', ...slave.claim(), reason: 'no slot free' });
  await settled();
  expect((await yard.at(id)).context).toMatchObject({ attempt: 2, lost: 0, failures: 0 });
});

test.each([
  ['its lease is over', 'lease'],
  ['it says goodbye', 'goodbye'],
  ['it comes back without it', 'hello'],
])('an exclusive run waits until its lost attempt is surely dead: %s', async (_, how) => {
  const yard = await openYard();
  const protocol = { min: '1.0', max: '1.1' };
  const id = await yard.run({ argv: ['true'], exclusive: true, graceMs: 2_000 });
  const slave = await yard.welcomed('s1', { protocol });
  slave.send({ type: 'accept', ...slave.claim() });
  await settled();
  if (how === 'lease') await yard.pass(LEASE_MS + 1_000);
  else if (how === 'goodbye') slave.send({ type: 'goodbye', reason: 'over' });
  await settled();
  await yard.welcomed('s1', { protocol });
  await settled();
  expect(await yard.at(id)).toMatchObject({ state: 'PENDING.backoff', context: { lost: 1 } });
  await yard.pass(LEASE_MS + 2_000);
  expect((await yard.at(id)).state).toBe('PENDING.backoff');
});

test('an exclusive run is not given to a slave that cannot end it in time', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], exclusive: true });
  await yard.welcomed('s1', { protocol: { min: '1.0', max: '1.0' } });
  await settled();
  expect((await yard.at(id)).state).toBe('PENDING.queued');
  await yard.welcomed('s2', { protocol: { min: '1.0', max: '1.1' } });
  await settled();
  expect((await yard.at(id)).context.slave).toBe('s2');
});

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
  const at = yard.clock.wall();
  const abort = { type: 'abort.requested', at, by: 'me', why: '' } as const;
  await yard.yard.transact((tx) => void tx.run(stopping, abort, 'me'));
  await settled();
  expect(slave.all('stop')).toEqual([{ type: 'stop', runId: stopping, attempt: 1 }]);
  slave.close();
  const again = await yard.welcomed('s1', { held: [...held(first), ...held(second)] });
  expect(again.all('welcome')[0]).toMatchObject({
    stop: [{ runId: stopping, attempt: 1 }],
    forget: [{ runId: over, attempt: 1 }],
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
  const yard = await openYard({ hub: { keep } });
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage(slave.claim()));
  await settled();
  expect((await yard.at(id)).state).toBe('PENDING.assigned');
  kept();
  await settled();
  expect((await yard.at(id)).state).toBe('COMPLETE');
  expect(slave.all('acknowledge')).toHaveLength(1);
});

test('a report whose outputs cannot be kept is not acknowledged: the slave is to come again', async () => {
  const keep = () => Promise.reject(new Error('not all there'));
  const yard = await openYard({ hub: { keep } });
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage(slave.claim()));
  await settled();
  expect((await yard.at(id)).state).toBe('PENDING.assigned');
  expect([slave.all('acknowledge'), slave.closed]).toEqual([
    [],
    expect.stringContaining('internal'),
  ]);
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
  const at = yard.clock.wall();
  const abort = { type: 'abort.requested', at, by: 'me', why: '' } as const;
  await yard.yard.transact((tx) => void tx.run(id, abort, 'me'));
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

test('no new attempt is granted while a welcomed slave holds the finished one', async () => {
  const yard = await openYard();
  const { id, claim } = await taken(yard);
  await yard.pass(LEASE_MS + 1_000);
  const back = await yard.welcomed('s1', { held: held(claim, 'finished') });
  back.send(finishedMessage(claim));
  await settled();
  expect(await yard.at(id)).toMatchObject({ state: 'COMPLETE', context: { attempt: 1 } });
});
