import { expect, test } from 'vitest';
import { LEASE_MS, finishedMessage, openYard, settled } from '../../test/kit/yard.ts';
import { explain } from './why.ts';

test('why says what a queued run waits for, and how that changed', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], arch: 'aarch64' });
  const ask = () => explain(yard.yard, yard.store, id);
  expect(await ask()).toMatchObject({
    verdict: 'none_can_ever',
    summary: 'no slave has ever connected',
    remedy: 'start a slave with --arch aarch64',
  });
  const slave = await yard.welcomed('arm', { arch: 'aarch64', slots: 1 });
  slave.send(finishedMessage(slave.claim()));
  await settled();
  expect(await ask()).toMatchObject({ verdict: 'not_pending', summary: 'is COMPLETE' });
});

test('why names the slaves that stand in the way, and what each lacks', async () => {
  const yard = await openYard();
  await yard.welcomed('intel');
  const arm = await yard.welcomed('arm', { arch: 'aarch64' });
  arm.close();
  await settled();
  const id = await yard.run({ argv: ['true'], arch: 'aarch64' });
  const answer = await explain(yard.yard, yard.store, id);
  expect(answer).toMatchObject({ verdict: 'offline', remedy: 'bring back arm' });
  expect(answer.slaves).toEqual([
    { name: 'intel', predicate: 'arch', detail: 'is x86_64, wanted aarch64' },
    { name: 'arm', predicate: 'offline', detail: 'is not connected' },
  ]);
  expect(answer.decisions.map(({ verdict }) => verdict)).toEqual(['offline']);
});

test.each([
  [{ held: true }, 'held', 'held by me: held at submit'],
  [{}, 'assigned', 'given to s1, which has not started it yet'],
])('a run submitted with %j is %s: %s', async (own, verdict, summary) => {
  const yard = await openYard();
  await yard.welcomed('s1');
  const id = await yard.run({ argv: ['true'], ...own });
  await settled();
  expect(await explain(yard.yard, yard.store, id)).toMatchObject({ verdict, summary });
});

test('a blocked run names its blockers, one that backs off until when', async () => {
  const yard = await openYard();
  const blocker = await yard.run({ argv: ['true'], retries: 1 });
  const blocked = await yard.run({ argv: ['true'], after: [blocker] });
  const slave = await yard.welcomed('s1');
  slave.send(finishedMessage(slave.claim(), 1));
  await settled();
  const ask = (id: string) => explain(yard.yard, yard.store, id);
  expect(await ask(blocked)).toMatchObject({ summary: `blocked by ${blocker}` });
  expect((await ask(blocker)).summary).toMatch(/^waits until 2026-01-01T.*Z after 1 failed try$/);
});

test('a run that waits out its lost attempt says so, and who holds it besides', async () => {
  const yard = await openYard();
  const id = await yard.run({ argv: ['true'], exclusive: true, graceMs: 60_000 });
  const slave = await yard.welcomed('s1', { protocol: { min: '1.0', max: '1.1' } });
  slave.send({ type: 'accept', ...slave.claim() });
  await settled();
  await yard.pass(LEASE_MS + 1_000);
  const ask = () => explain(yard.yard, yard.store, id);
  const { summary, remedy } = await ask();
  expect(summary).toMatch(/^waits until 2026-01-01T.*Z: its lost attempt 1 may still run$/);
  expect(remedy).toBeUndefined();

  const held = { type: 'run.held', at: yard.clock.wall(), by: 'ann', note: 'no mirror' } as const;
  await yard.yard.transact((tx) => void tx.run(id, held, 'ann'));
  expect(await ask()).toMatchObject({
    verdict: 'backoff',
    summary: `${summary}, and is held by ann: no mirror`,
    remedy: `runyard run release ${id}`,
  });
  await yard.pass(120_000, 10_000);
  expect(await ask()).toMatchObject({ verdict: 'held', summary: 'held by ann: no mirror' });
});

test('why tells only of runs with the same needs, also where these are long and nearly the same', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1', { labels: labelled('one') });
  slave.close();
  await settled();
  const offline = await yard.run({ argv: ['true'], labels: labelled('one') });
  const never = await yard.run({ argv: ['true'], labels: labelled('two') });
  const verdictsOf = async (id: string) => {
    const { decisions } = await explain(yard.yard, yard.store, id);
    return decisions.map(({ verdict }) => verdict);
  };
  expect(await verdictsOf(offline)).toEqual(['offline']);
  expect(await verdictsOf(never)).toEqual(['none_can_ever']);

  function labelled(last: string): Record<string, string> {
    const many = Array.from({ length: 8 }, (_, n) => [`label-${n}`, 'x'.repeat(100)]);
    return { ...Object.fromEntries(many), last };
  }
});

test('why of a run that is not there is an error', async () => {
  const yard = await openYard();
  await expect(explain(yard.yard, yard.store, 'nobody')).rejects.toThrow(/^run.unknown/);
});
