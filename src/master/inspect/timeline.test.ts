import { expect, test } from 'vitest';
import { finishedMessage, openYard, settled } from '../../../test/kit/yard.ts';
import { isDone } from '../../protocol/run.ts';
import { makeFeed } from '../feed.ts';
import { makeTimeline } from './timeline.ts';

type TestYard = Awaited<ReturnType<typeof openYard>>;

/** What the yard looked like after each of its events, by a plain count. */
function plainCounts({ events }: TestYard) {
  const states = new Map<string, { state: string; slave: string | undefined }>();
  return events.map(({ seq, run, state, event }) => {
    const isOn = state === 'PENDING.assigned' || state.startsWith('RUNNING');
    const slave = isOn ? ((event['slave'] as string) ?? states.get(run)?.slave) : undefined;
    states.set(run, { state, slave });
    const runs: Record<string, number> = {};
    const used: Record<string, number> = {};
    for (const stand of states.values()) {
      runs[stand.state] = (runs[stand.state] ?? 0) + 1;
      if (stand.slave) used[stand.slave] = (used[stand.slave] ?? 0) + 1;
    }
    return { seq, runs, used };
  });
}

/** Runs that wait, run, end well and badly, are aborted and lost, on two slaves. */
async function busyYard(): Promise<TestYard> {
  const yard = await openYard();
  const slaves = [await yard.welcomed('s1'), await yard.welcomed('s2', { slots: 1 })];
  for (let i = 0; i < 8; i++) await yard.run({ argv: ['x'], held: i === 5 });
  for (const slave of slaves) {
    await settled();
    const claim = slave.claim();
    slave.send({ type: 'accept', ...claim }, { type: 'progress', ...claim, phase: 'executing' });
    await settled();
    yard.clock.advance(1_000);
    slave.send(finishedMessage(claim, slave === slaves[0] ? 0 : 1));
    await settled();
  }
  slaves[1]!.close();
  await yard.pass(40_000, 5_000);
  return yard;
}

const positive = (used: ReadonlyMap<string, number>) =>
  Object.fromEntries([...used].filter(([, count]) => count !== 0));

test('after each event it counts what a plain count does, replayed or live', async () => {
  const yard = await busyYard();
  const late = makeTimeline(makeFeed(yard.yard, yard.archive), yard.clock);
  const early = makeTimeline(makeFeed(yard.yard, yard.archive), yard.clock);
  await early.ready();
  await yard.run();
  await late.ready();
  const wanted = plainCounts(yard);
  expect(wanted.length).toBeGreaterThan(20);
  expect(yard.events.some(({ state }) => isDone(state))).toBe(true);
  for (const timeline of [early, late]) {
    for (const { seq, runs, used } of wanted) {
      const view = timeline.view({ seq });
      expect({ seq: view.seq, runs: view.runs, used: positive(view.used) }).toEqual({
        seq,
        runs,
        used,
      });
    }
    expect(timeline.view(undefined)).toEqual(timeline.view({ seq: wanted.at(-1)!.seq }));
  }
});

test('an instant shows the last event up to it, and nothing before the first', async () => {
  const yard = await busyYard();
  const timeline = makeTimeline(makeFeed(yard.yard, yard.archive), yard.clock);
  await timeline.ready();
  for (const { event } of yard.events) {
    const upTo = yard.events.findLast((one) => one.event.at <= event.at)!;
    expect(timeline.view({ wallMs: event.at }).seq).toBe(upTo.seq);
    expect(timeline.view({ wallMs: event.at + 0.5 }).seq).toBe(upTo.seq);
  }
  const before = timeline.view({ wallMs: yard.events[0]!.event.at - 1 });
  expect(before).toMatchObject({ seq: 0, runs: {}, first: { seq: 1 } });
});

test('more than one chunk counts on from the one before; what was dropped is refused', async () => {
  const yard = await openYard();
  await yard.welcomed('s1', { slots: 3 });
  const timeline = makeTimeline(makeFeed(yard.yard, yard.archive), yard.clock, { chunksMax: 2 });
  await timeline.ready();
  for (let i = 0; i < 12_500; i++) await yard.run();
  expect(timeline.view(undefined)).toMatchObject({
    seq: 12_503,
    first: { seq: 8_193 },
    runs: { 'PENDING.assigned': 3, 'PENDING.queued': 12_497 },
  });
  expect(timeline.view({ seq: 8_193 }).runs).toMatchObject({ 'PENDING.queued': 8_187 });
  expect(positive(timeline.view({ seq: 9_000 }).used)).toEqual({ s1: 3 });
  expect(() => timeline.view({ seq: 8_192 })).toThrow(/^cluster\.gone: history is kept from/);
});

test('while the past is read, others get their turn', async () => {
  const yard = await openYard();
  for (let i = 0; i < 5_000; i++) await yard.run();
  const timeline = makeTimeline(makeFeed(yard.yard, yard.archive), yard.clock);
  const ready = timeline.ready();
  for (let turn = 1; turn <= 5; turn++) {
    await settled();
    expect(timeline.view(undefined).seq).toBe(1_000 * turn);
    yard.clock.advance(0);
  }
  await ready;
  expect(timeline.view(undefined).seq).toBe(5_000);
});
