import { expect, test } from 'vitest';
import { finishedMessage, openYard, settled } from '../../test/kit/yard.ts';
import { runMachine } from '../machines/run.ts';
import type { RunContext, RunEvent, RunInput } from '../machines/run-context.ts';
import { runTable } from './ledger.ts';
import { makeArchive } from './archive.ts';
import type { EventRecord } from './records.ts';
import { runRequest } from '../protocol/run.ts';

type TestYard = Awaited<ReturnType<typeof openYard>>;

async function historyOf(yard: TestYard, id: string): Promise<EventRecord[]> {
  return makeArchive(yard.memory).historyOf(await yard.at(id));
}

/** The run as its history alone gives it. */
function fold(input: RunInput, history: readonly EventRecord[]) {
  const make = runMachine.config.context as unknown as (of: { input: RunInput }) => RunContext;
  let now = { state: 'NEW', context: make({ input }) };
  for (const { event } of history) {
    const decision = runTable.decide(now.state, now.context, event as unknown as RunEvent);
    expect(decision).toBeDefined();
    now = { state: decision!.state, context: decision!.context };
  }
  return now;
}

const defined = (value: object) => JSON.parse(JSON.stringify(value)) as object;

test('a run is the fold of its history, which is gapless, after losses, retries and an abort', async () => {
  const yard = await openYard();
  const request = {
    argv: ['true'],
    retries: 3,
    retry: { backoffMs: 100, backoffMaxMs: 100 },
    queueTimeoutMs: 3_600_000,
  };
  const ids = [await yard.run(request), await yard.run(request), await yard.run(request)];
  const first = await yard.welcomed('s1', { slots: 3 });
  for (const [index, code] of [1, 0].entries()) {
    const claim = first.claim(index);
    first.send({ type: 'accept', ...claim }, { type: 'progress', ...claim, phase: 'executing' });
    first.send(finishedMessage(claim, code));
  }
  first.send({ type: 'accept', ...first.claim(2) });
  await yard.pass(1_000, 100);
  first.send({ type: 'goodbye', reason: 'reboot' });
  await settled();
  await yard.welcomed('s2', { slots: 3 });
  await yard.abort(ids[2]!, 'enough');
  await yard.pass(60_000, 10_000);

  const { retries, retry, timeoutMs, queueTimeoutMs, graceMs, lostMax } = runRequest.parse(request);
  const limits = { retries, ...retry, timeoutMs, queueTimeoutMs, graceMs, lostMax };
  const seqs: number[] = [];
  for (const id of ids) {
    const history = await historyOf(yard, id);
    expect(history.map(({ n }) => n)).toEqual(history.map((_, index) => index + 1));
    expect(history.every(({ run }) => run === id)).toBe(true);
    expect(history.map(({ seq }) => seq)).toEqual([...(await yard.at(id)).events]);
    const { state, context } = await yard.at(id);
    const folded = fold({ limits, blockers: [] }, history);
    expect(folded.state).toBe(state);
    expect(history.at(-1)?.state).toBe(state);
    expect(defined(folded.context)).toEqual(defined(context));
    seqs.push(...history.map(({ seq }) => seq));
  }
  const all = seqs.sort((a, b) => a - b);
  expect(all).toEqual(all.map((_, index) => index + 1));
  expect(new Set(await Promise.all(ids.map(async (id) => (await yard.at(id)).state))).size).toBe(3);
});

test('events are told in the order of their numbers, without gaps', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1', { slots: 8 });
  await Promise.all(Array.from({ length: 8 }, () => yard.run()));
  await settled();
  for (let i = 0; i < 8; i++) slave.send(finishedMessage(slave.claim(i)));
  await settled();
  expect(yard.events.map(({ seq }) => seq)).toEqual(yard.events.map((_, index) => index + 1));
  expect(yard.events).toHaveLength(24);
});

test('readers see only what is on disk, deciders what was decided last', async () => {
  const yard = await openYard();
  const id = await yard.run();
  yard.gate.hold();
  const at = yard.clock.wall();
  const hold = { type: 'run.held', at, by: 'me', note: '' } as const;
  const saved = yard.yard.transact((tx) => void tx.run(id, hold, 'me'));
  expect((await yard.at(id)).state).toBe('PENDING.queued');
  expect(yard.yard.ledger.live(id)?.state).toBe('PENDING.held');
  yard.gate.release();
  await saved;
  expect((await yard.at(id)).state).toBe('PENDING.held');
});

test('a run whose first commit is under way is not there yet', async () => {
  const yard = await openYard();
  yard.gate.hold();
  const submitted = yard.run();
  await settled();
  const [live] = yard.yard.ledger.liveRuns();
  expect(live?.state).toBe('PENDING.queued');
  expect(await yard.yard.ledger.findRun(live!.id)).toBeUndefined();
  yard.gate.release();
  expect(await submitted).toBe(live!.id);
});

test('decisions run ahead of the disk, and effects follow in the order of the decisions', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const told: string[] = [];
  yard.gate.hold();
  const at = yard.clock.wall();
  const by = { at, by: 'me', note: '' };
  const saved = [
    yard.yard.transact((tx) => {
      tx.run(id, { type: 'run.held', ...by }, 'me');
      tx.after(() => told.push('held'));
    }),
    yard.yard.transact((tx) => {
      tx.run(id, { type: 'run.released', ...by }, 'me');
      tx.after(() => told.push('released'));
    }),
  ];
  await settled();
  expect([told, yard.yard.ledger.live(id)?.state]).toEqual([[], 'PENDING.queued']);
  yard.gate.release();
  await Promise.all(saved);
  expect(told).toEqual(['held', 'released']);
});

test('a transaction without a decision costs no commit and still has its effects', async () => {
  const yard = await openYard();
  let told = false;
  yard.gate.hold();
  await yard.yard.transact((tx) => tx.after(() => void (told = true)));
  expect(told).toBe(true);
});

test('a master that another deposed learns it from its next commit and does nothing any more', async () => {
  const old = await openYard();
  const fresh = await openYard({ memory: old.memory, clock: old.clock });
  const fatal = expect(old.yard.fatal).rejects.toThrow(/^master.deposed/);
  await expect(old.run()).rejects.toThrow(/^master.deposed/);
  await fatal;
  await expect(old.run()).rejects.toThrow(/^master.stopped/);
  expect(old.events).toEqual([]);
  await fresh.run();
});

test('what is decided while a commit is refused is not taken for done either', async () => {
  const old = await openYard();
  const fatal = expect(old.yard.fatal).rejects.toThrow(/^master.deposed/);
  await openYard({ memory: old.memory });
  const write = (key: string) => old.yard.transact((tx) => tx.put(key, new Uint8Array(1)));
  const [first, second] = [write('test/1'), write('test/2')];
  const looking = old.yard.transact(() => {});
  await expect(first).rejects.toThrow(/^master.deposed/);
  await expect(second).rejects.toThrow(/^master\.(deposed|stopped)/);
  await expect(looking).rejects.toThrow(/^master\.(deposed|stopped)/);
  await fatal;
});

test('a restart finds every run that is not done, and numbers go on where they were', async () => {
  const first = await openYard();
  const [a, b] = [await first.run(), await first.run()];
  const slave = await first.welcomed('s1', { slots: 1 });
  slave.send(finishedMessage(slave.claim()));
  await settled();
  const second = await openYard({ memory: first.memory, clock: first.clock });
  const live = [...second.yard.ledger.liveRuns()].map(({ id }) => id);
  expect(live).toEqual([b]);
  expect((await second.at(a)).state).toBe('COMPLETE');
  expect(second.yard.ledger.lastSeq()).toBe(first.yard.ledger.lastSeq());
  expect(await second.at(b)).toEqual(await first.at(b));
  const all: [string, string][] = [];
  for await (const { id, state } of makeArchive(first.memory).newestFirst()) all.push([id, state]);
  expect(all).toEqual([
    [b, 'PENDING.assigned'],
    [a, 'COMPLETE'],
  ]);
});

test('a decision that throws changes nothing', async () => {
  const yard = await openYard();
  const id = await yard.run();
  const at = yard.clock.wall();
  const broken = async () =>
    yard.yard.transact((tx) => {
      tx.run(id, { type: 'run.held', at, by: 'me', note: '' }, 'me');
      throw new Error('a bug');
    });
  await expect(broken()).rejects.toThrow('a bug');
  // Half of it is in memory: this master ends, and a restart knows nothing of it.
  await expect(yard.abort(id)).rejects.toThrow(/^master.stopped/);
  const again = await openYard({ memory: yard.memory, clock: yard.clock });
  expect((await again.at(id)).state).toBe('PENDING.queued');
});
