import { expect, test } from 'vitest';
import { finishedMessage, me, openYard, settled } from '../../test/kit/yard.ts';
import { runRequest } from '../protocol/run.ts';
import type { RunRequestInput } from '../protocol/run.ts';

const parse = (...requests: RunRequestInput[]) => requests.map((given) => runRequest.parse(given));
const keyed = { argv: ['true'], key: 'k' };

test('a submit is answered when its runs are on disk, and not before', async () => {
  const yard = await openYard();
  yard.gate.hold();
  let answered = false;
  const submitted = yard.run().then((id) => {
    answered = true;
    return id;
  });
  await settled();
  expect(answered).toBe(false);
  yard.gate.release();
  expect((await yard.at(await submitted)).state).toBe('PENDING.queued');
});

test('the same key gives the same run, and it is told only when that run is on disk', async () => {
  const yard = await openYard();
  yard.gate.hold();
  const first = yard.submit(parse(keyed), me);
  await settled();
  let repeated: unknown;
  const second = yard.submit(parse(keyed), me).then((result) => (repeated = result));
  await settled();
  expect(repeated).toBeUndefined();
  yard.gate.release();
  const { runId } = (await first)[0]!;
  await second;
  expect(repeated).toEqual([{ runId, created: false }]);
});

test('a key is known after a restart, by content and by who used it', async () => {
  const first = await openYard();
  const id = await first.run(keyed);
  const second = await openYard({ memory: first.memory, clock: first.clock });
  expect(await second.run(keyed)).toBe(id);
  await expect(second.run({ argv: ['false'], key: 'k' })).rejects.toThrow(/^key.conflict: key "k"/);
  const [other] = await second.submit(parse(keyed), { ...me, name: 'you' });
  expect(other?.created).toBe(true);
});

test('the order in which a request is written is no other content', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], env: { A: '1', B: '2' }, key: 'k' });
  expect(await yard.run({ key: 'k', env: { B: '2', A: '1' }, argv: ['true'] })).toBe(id);
});

test('one key twice in one submit is one run', async () => {
  const yard = await openYard();
  const [a, b] = await yard.submit(parse(keyed, keyed), me);
  expect([a?.created, b]).toEqual([true, { runId: a?.runId, created: false }]);
});

test.each([
  [{ arch: 'x86_46' }, /^input.arch: "x86_46" unknown, did you mean "x86_64"/],
  [{ bundle: `fs-${'0'.repeat(64)}` }, /^bundle.unknown: .* upload it first$/],
  [{ after: ['nobody'] }, /^run.unknown: after: no run "nobody"$/],
])('a request with %j is refused, and nothing of its submit is kept', async (own, error) => {
  const yard = await openYard();
  const requests = parse({ argv: ['true'] }, { argv: ['true'], ...own });
  await expect(yard.submit(requests, me)).rejects.toThrow(error);
  expect([[...yard.yard.ledger.liveRuns()], yard.events]).toEqual([[], []]);
});

test('noarch is any architecture, and aliases are one', async () => {
  const yard = await openYard();
  const arches = [];
  for (const arch of ['noarch', 'any', 'amd64', 'arm64']) {
    arches.push((await yard.at(await yard.run({ argv: ['true'], arch }))).facts.arch);
  }
  expect(arches).toEqual([undefined, undefined, 'x86_64', 'aarch64']);
});

test('a run after one that ended badly is aborted at once; after a good end it is free', async () => {
  const yard = await openYard();
  const [good, bad] = [await yard.run(), await yard.run()];
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage(slave.claim(0)), finishedMessage(slave.claim(1), 1));
  await settled();
  const free = await yard.run({ argv: ['true'], after: [good], held: true });
  const doomed = await yard.run({ argv: ['true'], after: [good, bad] });
  expect((await yard.at(free)).state).toBe('PENDING.held');
  expect(await yard.at(doomed)).toMatchObject({
    state: 'ABORTED',
    context: { reason: `blocked by ${bad}: COMPLETE (exited 1)` },
  });
});

/** What was answered by now. */
async function soFar<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, settled().then(() => undefined)]);
}

test('a key of a submit that was refused can be used again', async () => {
  const yard = await openYard();
  const requests = parse(keyed, { argv: ['true'], arch: 'vax' });
  await expect(yard.submit(requests, me)).rejects.toThrow(/^input.arch/);
  const answer = await soFar(yard.submit(parse(keyed), me));
  expect(answer).toMatchObject([{ created: true }]);
});

test('what waits for a run of its job that is aborted at its submission is aborted too', async () => {
  const yard = await openYard();
  const bad = await yard.run();
  await yard.abort(bad);
  const runs = parse({ argv: ['true'], after: [bad] }, { argv: ['true'], after: ['first'] });
  const createdAt = yard.clock.wall();
  await yard.submit(runs, me, {
    id: 'job',
    ids: ['first', 'second'],
    note: (tx) => tx.createJob({ id: 'job', runs: ['first', 'second'], createdAt }),
  });
  expect((await yard.at('first')).state).toBe('ABORTED');
  expect((await yard.at('second')).state).toBe('ABORTED');
});

test('two submits of one key at the same time make one run', async () => {
  const yard = await openYard();
  const [[a], [b]] = await Promise.all([
    yard.submit(parse(keyed), me),
    yard.submit(parse(keyed), me),
  ]);
  expect(a?.runId).toBe(b?.runId);
});

test('a blocker that ends while its dependent is being submitted is not missed', async () => {
  const yard = await openYard();
  const blocker = await yard.run();
  const slave = await yard.welcomed('s1');
  const { get } = yard.store;
  let go: () => void = () => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  yard.store.get = async (key) => {
    if (key.startsWith('key/')) await held;
    return get(key);
  };
  const submitted = yard.submit(parse({ argv: ['true'], after: [blocker], key: 'slow' }), me);
  await settled();
  slave.send(finishedMessage(slave.claim()));
  await settled();
  go();
  const { runId } = (await submitted)[0]!;
  await settled();
  expect((await yard.at(runId)).state).not.toBe('PENDING.blocked');
});

test('of two submits that race with one key and other contents, the second is refused', async () => {
  const yard = await openYard();
  const other = { argv: ['rm', '-rf'], key: 'k' };
  const both = await Promise.allSettled([
    yard.submit(parse(keyed), me),
    yard.submit(parse(other), me),
  ]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(both[1]).toMatchObject({ reason: { code: 'key.conflict' } });
  await expect(
    yard.submit(parse({ ...keyed, key: 'l' }, { ...other, key: 'l' }), me),
  ).rejects.toMatchObject({ code: 'key.conflict' });
  expect((await yard.submit(parse({ ...other, key: 'l' }), me))[0]!.created).toBe(true);
});
