import { expect, test } from 'vitest';
import { finishedMessage, openYard, settled } from '../../../test/kit/yard.ts';
import { stepsOf } from './steps.ts';

test('steps join, end where the record stands, and say who told what to whom', async () => {
  const yard = await openYard();
  const slave = await yard.welcomed('s1');
  const id = await yard.run({ argv: ['make'], env: { SECRET: 'xyzzy' }, retries: 1 });
  await settled();
  const claim = slave.claim();
  slave.send({ type: 'accept', ...claim });
  await settled();
  slave.send(finishedMessage(claim, 7));
  await settled();
  await yard.pass(3_000);
  const record = await yard.at(id);
  const origin = (await yard.archive.findOrigin(id))!;
  const steps = stepsOf(record, origin, await yard.archive.historyOf(record));

  expect(steps.map(({ n }) => n)).toEqual(steps.map((_, index) => index + 1));
  expect(steps[0]!.before).toBe('NEW');
  for (const [index, step] of steps.slice(1).entries())
    expect(step.before).toBe(steps[index]!.after);
  expect(steps.at(-1)!.after).toBe(record.state);
  expect(steps.at(-1)!.context).toMatchObject({ attempt: 2, failures: 1 });
  const [submitted, granted, accepted, finished] = steps;
  expect(submitted).toMatchObject({ from: 'user/me', to: `run/${id}`, effects: ['enqueue'] });
  expect(granted).toMatchObject({
    from: 'master',
    after: 'PENDING.assigned',
    sent: [{ to: 'slave/s1', type: 'assign' }],
  });
  expect(granted!.changed.toSorted()).toEqual(['attempt', 'slave']);
  expect(accepted).toMatchObject({ from: 'slave/s1', after: 'RUNNING.preparing' });
  expect(finished).toMatchObject({ from: 'slave/s1', after: 'PENDING.backoff' });

  const text = JSON.stringify(steps);
  expect(text).not.toContain('xyzzy');
  expect(text).not.toContain(claim.token);
});
