import { expect, test } from 'vitest';
import { finishedMessage, openYard, settled } from '../../../test/kit/yard.ts';
import { silentLog } from '../../base/log.ts';
import { SERIES } from '../../protocol/devtools.ts';
import { isDone } from '../../protocol/run.ts';
import { makeFeed } from '../feed.ts';
import { runTable } from '../ledger.ts';
import { makeMetrics } from '../metrics.ts';
import { openInspection } from './inspection.ts';
import { makeMessageLog } from './message-log.ts';
import { makeSeries } from './series.ts';
import type { Sample } from './series.ts';

async function openDevtools() {
  const yard = await openYard();
  const { clock, ids, archive, store, hub } = yard;
  const inspection = openInspection({
    yard: yard.yard,
    hub,
    store,
    archive,
    feed: makeFeed(yard.yard, archive),
    clock,
    ids,
    log: silentLog,
    baseUrl: () => 'http://yard',
    epoch: 7,
    processFacts: undefined,
  });
  const { totals, text } = makeMetrics({
    clock,
    yard: yard.yard,
    hub,
    breaches: new Map(),
    backedUpAt: () => undefined,
    inspect: inspection.counts,
  });
  const { devtools, sample } = inspection;
  return {
    ...yard,
    devtools,
    text,
    sample: (lagMs = 0) => sample(totals, lagMs),
    // Bound, to be taken apart.
    run: (request?: Parameters<typeof yard.run>[0]) => yard.run(request),
    welcomed: (...args: Parameters<typeof yard.welcomed>) => yard.welcomed(...args),
  };
}

test('what a run would react to is what its machine takes, wherever it stands', async () => {
  const { run, welcomed, devtools, yard } = await openDevtools();
  const held = await run({ argv: ['x'], held: true });
  const answer = await devtools.next(held, undefined);
  expect(answer).toMatchObject({ runId: held, state: 'PENDING.held', seq: 1 });
  const openOf = (event: string) => answer.events.find((one) => one.event === event)?.open;
  expect(openOf('run.released')).toBe(true);
  expect(openOf('abort.requested')).toBe(true);
  expect(openOf('attempt.finished')).toBeUndefined();
  for (const { event } of answer.events) expect(runTable.knows('PENDING.held', event)).toBe(true);

  await welcomed('s1');
  const running = await run({ argv: ['x'] });
  await settled();
  const before = await devtools.next(running, (await yard.ledger.findRun(running))!.events[0]!);
  expect(before.state).toBe('PENDING.queued');
  const now = await devtools.next(running, undefined);
  expect(now.state).toBe('PENDING.assigned');
  const aborts = now.events.filter(({ event }) => event === 'abort.requested');
  // The state's own answer comes first; the one around it is not reached.
  expect(aborts.map(({ source, open }) => [source, open])).toEqual([
    ['PENDING.assigned', true],
    ['PENDING', false],
  ]);
  await expect(devtools.next(running, 999)).rejects.toThrow(/^input\.invalid: at: run/);
  await expect(devtools.next('nope', undefined)).rejects.toThrow(/^run\.unknown/);
});

test('a deadline is told with its instant', async () => {
  const { run, devtools, clock } = await openDevtools();
  const id = await run({ argv: ['x'], queueTimeoutMs: 5_000 });
  const { deadline } = await devtools.next(id, undefined);
  expect(deadline!.event).toBe('queue.expired');
  expect(Date.parse(deadline!.at) - clock.wall()).toBe(5_000);
});

test('ten heartbeats are ten rows of noise between two steps, and none without being asked for', async () => {
  const { run, welcomed, devtools, clock } = await openDevtools();
  const slave = await welcomed('s1');
  slave.send({ type: 'heartbeat', beat: 1 });
  await settled();
  clock.advance(1_000);
  const id = await run({ argv: ['x'] });
  await settled();
  const claim = slave.claim();
  slave.send({ type: 'accept', ...claim });
  for (let beat = 2; beat < 12; beat++) {
    clock.advance(1_000);
    slave.send({ type: 'heartbeat', beat });
    await settled();
  }
  clock.advance(1);
  slave.send(finishedMessage(claim));
  await settled();
  clock.advance(1_000);
  slave.send({ type: 'heartbeat', beat: 12 });
  await settled();

  const steps = await devtools.steps(id, false);
  const noisy = await devtools.steps(id, true);
  expect(noisy.filter(({ noise }) => !noise)).toEqual(steps);
  const noise = noisy.filter((step) => step.noise);
  expect(noise).toHaveLength(10);
  for (const beat of noise) {
    expect(beat).toMatchObject({ type: 'heartbeat', from: 'slave/s1', n: 3, changed: [] });
  }
  expect(noisy.map(({ at }) => at)).toEqual(noisy.map(({ at }) => at).toSorted());
});

test('machines are counted by state: runs, slaves, jobs; agents are not known here', async () => {
  const { run, welcomed, devtools } = await openDevtools();
  await run({ argv: ['x'], held: true });
  await run({ argv: ['x'] });
  (await welcomed('s1', { slots: 1 })).close();
  await settled();
  const population = Object.fromEntries(
    (await devtools.machines()).map((machine) => [machine.name, machine.population]),
  );
  expect(population).toEqual({
    run: { 'PENDING.held': 1, 'PENDING.assigned': 1 },
    slave: { SUSPENDED: 1 },
    job: {},
    agent: undefined,
  });
});

test('figures are rates and levels of the second that has passed', async () => {
  const { run, welcomed, devtools, clock, sample, text } = await openDevtools();
  sample();
  for (let i = 0; i < 4; i++) await run({ argv: ['x'] });
  clock.advance(1_000);
  sample(3);
  const slave = await welcomed('s1');
  slave.send(finishedMessage(slave.claim(0), 1));
  await settled();
  clock.advance(1_000);
  sample(5);
  const { at, values } = await devtools.series(1_000);
  expect(at).toHaveLength(3);
  for (const name of SERIES) expect(values[name]).toHaveLength(3);
  expect(values.submittedPerSecond).toEqual([0, 4, 0]);
  expect(values.endedPerSecond).toEqual([0, 0, 1]);
  expect(values.badlyEndedPerSecond).toEqual([0, 0, 1]);
  expect(values.queueLength).toEqual([0, 4, 1]);
  expect(values.queueAgeMs).toEqual([0, 1_000, 2_000]);
  expect(await text()).toContain('runyard_queue_age_seconds 2\n');
  expect(values.slotsUsed).toEqual([0, 0, 2]);
  expect(values.loopLagMs).toEqual([0, 3, 5]);
});

test('of a longer step a rate is the mean, a level the highest; rings do not grow', () => {
  const series = makeSeries();
  const zero = Object.fromEntries(SERIES.map((name) => [name, 0])) as Sample;
  for (let second = 1; second <= 4_000; second++) {
    const level = second % 10;
    series.sample(second * 1_000, { ...zero, queueLength: level, endedPerSecond: level });
  }
  expect(series.view(1_000).at).toHaveLength(300);
  const ten = series.view(10_000);
  expect(ten.at).toHaveLength(360);
  expect(new Set(ten.values.queueLength.slice(1))).toEqual(new Set([9]));
  expect(new Set(ten.values.endedPerSecond.slice(1))).toEqual(new Set([4.5]));
  expect(series.view(60_000).at.length).toBeGreaterThan(60);
});

test('messages are listed with what they started, or why they did not', async () => {
  const { clock, ids } = await openYard();
  const log = makeMessageLog({ clock, ids });
  const me = { name: 'bus', kind: 'user', scopes: ['trigger'] } as const;
  const outcome = { runs: ['r1'], job: 'j1', matched: ['rule 1'], discarded: [] };
  const take = log.noting(async (raw) => {
    if (raw === null) throw new Error('a bug');
    return outcome;
  });
  expect(await take({ topic: 'org.koji.tag' }, me)).toBe(outcome);
  await expect(take(null, me)).rejects.toThrow('a bug');
  expect(log.list(10)).toMatchObject([
    { by: 'bus', error: { code: 'internal.handler', message: 'a bug' } },
    { by: 'bus', topic: 'org.koji.tag', outcome },
  ]);
  for (let i = 0; i < 600; i++) await take({ topic: `t${i}` }, me);
  expect(log.list(1_000)).toHaveLength(500);
  expect(log.list(1)).toMatchObject([{ topic: 't599' }]);
});

test('metrics tell what inspection costs: nothing, while nobody looks', async () => {
  const { run, devtools, text, yard } = await openDevtools();
  await run();
  expect(await text()).toContain('runyard_inspect_frames_total 0\n');
  const { stop } = await devtools.inspect({}, () => {});
  expect(await text()).toMatch(/runyard_inspectors 1\n/);
  expect(await text()).toMatch(/runyard_inspect_frames_total [1-9]/);
  stop();
  expect(await devtools.system()).toMatchObject({ epoch: 7, sockets: { inspectors: 0 } });
  expect(yard.ledger.liveRuns().every(({ state }) => !isDone(state))).toBe(true);
});
