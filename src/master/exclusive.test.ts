import { expect, test } from 'vitest';
import { LEASE_MS, openYard, settled } from '../../test/kit/yard.ts';

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
