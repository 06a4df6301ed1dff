import { expect, test } from 'vitest';
import { finishedMessage, openYard, settled } from '../../../test/kit/yard.ts';
import { silentLog } from '../../base/log.ts';
import { makeFeed } from '../feed.ts';
import { makeInspector } from './inspector.ts';
import type { StatelyFrame } from './stately.ts';
import { makeTickets } from './tickets.ts';

type TestYard = Awaited<ReturnType<typeof openYard>>;

function inspectorOf(yard: TestYard) {
  const { clock, archive } = yard;
  const feed = makeFeed(yard.yard, archive);
  const inspector = makeInspector({ yard: yard.yard, archive, feed, clock, log: silentLog });
  return {
    ...inspector,
    feed,
    /** An inspector that keeps what it is told. */
    async open(wanted: { run?: string; since?: number } = {}) {
      const frames: StatelyFrame[] = [];
      const watcher = await inspector.inspect(wanted, (told) => {
        frames.push(...(told as StatelyFrame[]));
      });
      return { frames, ...watcher };
    },
  };
}

async function oneRun(yard: TestYard) {
  const slave = await yard.welcomed('s1');
  const id = await yard.run({ argv: ['x'], env: { SECRET: 'xyzzy' } });
  await settled();
  const claim = slave.claim();
  return {
    id,
    claim,
    finish: async () => {
      slave.send({ type: 'accept', ...claim });
      await settled();
      slave.send(finishedMessage(claim));
      await settled();
    },
  };
}

const about = (frames: StatelyFrame[], id: string) =>
  frames
    .filter(({ sessionId }) => sessionId === `run/${id}`)
    .map(({ type, event, snapshot }) => [
      type.slice('@xstate.'.length),
      (event as { type: string } | undefined)?.type,
      (snapshot as { value: unknown } | undefined)?.value,
    ]);

const WHOLE = [
  ['actor', undefined, 'NEW'],
  ['event', 'run.submitted', undefined],
  ['snapshot', 'run.submitted', { PENDING: 'queued' }],
  ['event', 'run.granted', undefined],
  ['snapshot', 'run.granted', { PENDING: 'assigned' }],
  ['event', 'attempt.accepted', undefined],
  ['snapshot', 'attempt.accepted', { RUNNING: 'preparing' }],
  ['event', 'attempt.finished', undefined],
  ['snapshot', 'attempt.finished', 'COMPLETE'],
];

test('a run is told whole: live, half from the store, and long after its end', async () => {
  const yard = await openYard();
  const inspector = inspectorOf(yard);
  const all = await inspector.open();
  const { id, finish } = await oneRun(yard);
  const early = await inspector.open({ run: id });
  await finish();
  await yard.run();
  const late = await inspector.open({ run: id });
  const backlog = await inspector.open();
  for (const { frames } of [early, late, backlog]) expect(about(frames, id)).toEqual(WHOLE);
  // Heard of live, its actor stands as its first event left it.
  expect(about(all.frames, id).slice(1)).toEqual(WHOLE.slice(1));
  const last = late.frames.at(-1)!;
  expect(last.snapshot).toMatchObject({ status: 'done', context: { attempt: 1 } });
  expect(last._version).toBe('0.7.2');
});

test('actors come first, each with its machine and in one tree', async () => {
  const yard = await openYard();
  const { id } = await oneRun(yard);
  const { frames } = await inspectorOf(yard).open({ run: id });
  expect(
    frames.slice(0, 3).map(({ type, sessionId, parentId }) => [type, sessionId, parentId]),
  ).toEqual([
    ['@xstate.actor', 'master', undefined],
    ['@xstate.actor', 'slave/s1', 'master'],
    ['@xstate.actor', `run/${id}`, 'master'],
  ]);
  expect(JSON.parse(frames[2]!.definition!)).toMatchObject({ id: 'run', initial: 'NEW' });
  expect(frames.every(({ rootId }) => rootId === 'master')).toBe(true);
  const granted = frames.find(({ event }) => (event as { type?: string })?.type === 'run.granted')!;
  expect(granted).toMatchObject({ sourceId: 'master', sessionId: `run/${id}` });
});

test('since resumes after that event, with the run as it stood there', async () => {
  const yard = await openYard();
  const { id, finish } = await oneRun(yard);
  await finish();
  for (const wanted of [{ run: id, since: 2 }, { since: 2 }]) {
    const { frames } = await inspectorOf(yard).open(wanted);
    expect(about(frames, id)).toEqual([
      ['actor', undefined, { PENDING: 'assigned' }],
      ...WHOLE.slice(5),
    ]);
    expect(frames.flatMap(({ seq }) => seq ?? [])).toEqual([3, 3, 4, 4]);
  }
});

test('while nobody is connected nothing is made; afterwards nothing more', async () => {
  const yard = await openYard();
  const inspector = inspectorOf(yard);
  const { finish } = await oneRun(yard);
  await finish();
  expect(inspector.counts).toEqual({ frames: 0, errors: 0, inspectors: 0 });
  expect(inspector.feed.count()).toBe(0);
  const { stop } = await inspector.open();
  const { frames } = inspector.counts;
  expect(frames).toBeGreaterThan(0);
  expect(inspector.counts.inspectors).toBe(1);
  stop();
  stop();
  await yard.run();
  expect(inspector.counts).toEqual({ frames, errors: 0, inspectors: 0 });
  expect(inspector.feed.count()).toBe(0);
});

test('an inspector that throws is counted once and told no more; runs go on', async () => {
  const yard = await openYard();
  const inspector = inspectorOf(yard);
  let calls = 0;
  await inspector.inspect({}, () => {
    calls++;
    if (calls > 1) throw new Error('a bug of an inspector');
  });
  const { id, finish } = await oneRun(yard);
  await finish();
  expect((await yard.at(id)).state).toBe('COMPLETE');
  expect([calls, inspector.counts.errors, inspector.counts.inspectors]).toEqual([2, 1, 0]);
  await inspector.inspect({}, () => Promise.reject(new Error('later')));
  expect(inspector.counts).toMatchObject({ errors: 2, inspectors: 0 });
});

test('no frame holds a value of the environment, or the token of an attempt', async () => {
  const yard = await openYard();
  const inspector = inspectorOf(yard);
  const live = await inspector.open();
  const { claim, finish } = await oneRun(yard);
  await finish();
  const past = await inspector.open({ since: 0 });
  for (const { frames } of [live, past]) {
    const text = JSON.stringify(frames);
    expect(text).toContain('attempt.finished');
    expect(text).not.toContain('xyzzy');
    expect(text).not.toContain(claim.token);
  }
});

test('the past is told no faster than it is taken', async () => {
  const yard = await openYard();
  for (let i = 0; i < 3; i++) await yard.run();
  const inspector = inspectorOf(yard);
  let open = 0;
  let most = 0;
  await inspector.inspect({ since: 0 }, async () => {
    most = Math.max(most, ++open);
    await settled();
    open--;
  });
  expect(most).toBe(1);
});

test('a ticket opens once, and not for long', async () => {
  const { clock, ids } = await openYard();
  const { createTicket, redeemTicket } = makeTickets({ clock, ids });
  const me = { name: 'me', kind: 'user', scopes: ['read'] } as const;
  const first = await createTicket(me);
  expect(await redeemTicket(first.ticket)).toBe(me);
  await expect(redeemTicket(first.ticket)).rejects.toThrow(/^auth\.ticket/);
  const second = await createTicket(me);
  expect(Date.parse(second.expiresAt) - clock.wall()).toBe(30_000);
  clock.advance(30_000);
  await expect(redeemTicket(second.ticket)).rejects.toThrow(/^auth\.ticket/);
  const old = await createTicket(me);
  for (let i = 0; i < 1_000; i++) await createTicket(me);
  await expect(redeemTicket(old.ticket)).rejects.toThrow(/^auth\.ticket/);
});
