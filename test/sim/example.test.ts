import { openYard } from 'runyard/sim';
import { expect, test } from 'vitest';

const rules = `
- when: {message_type: CloudCompose, version: '24'}
  do:
    - {tasks: [boot-image], arches: [x86_64, aarch64]}
`;

test('a cloud compose of release 24 is booted on both architectures', async () => {
  const slaves = ['x86_64', 'aarch64'].map((arch) => ({ name: `slave-${arch}`, arch }));
  const yard = await openYard({ slaves, rules, task: () => ({ takesMs: 600_000 }) });
  const { runs } = await yard.send(compose('FINISHED', 'Fedora-Cloud-24-20151208.n.7'));
  const done = await yard.untilDone(runs);
  expect(done.map(({ state, slave }) => `${state} on ${slave}`).sort()).toEqual([
    'COMPLETE on slave-aarch64',
    'COMPLETE on slave-x86_64',
  ]);
  for (const other of [
    compose('STARTED', 'Fedora-Cloud-24-20151208.n.8'),
    compose('FINISHED', 'Fedora-Cloud-23-20151208.n.9'),
  ]) {
    expect((await yard.send(other)).runs).toEqual([]);
  }
});

test('what a build depends on goes first, also when a slave dies on the way', async () => {
  const started: string[] = [];
  const yard = await openYard({
    slaves: [{ name: 'one' }, { name: 'two' }],
    task({ argv, attempt }) {
      started.push(`${argv[0]} ${attempt}`);
      return { takesMs: 60_000 };
    },
  });
  const ids = await yard.submitJob({
    runs: [
      { name: 'package', argv: ['package'], after: ['compile'] },
      { name: 'compile', argv: ['compile'] },
    ],
  });
  await yard.advance(30_000);
  const { slave } = await yard.status(ids[1]!);
  yard.partition(slave!, 120_000);
  const done = await yard.untilDone(ids);
  expect(done.map(({ state }) => state)).toEqual(['COMPLETE', 'COMPLETE']);
  expect(started).toEqual(['compile 1', 'compile 2', 'package 1']);
  expect(yard.nowMs).toBeGreaterThan(150_000);
});

function compose(status: string, id: string) {
  const location = `https://composes.example/${id}/compose`;
  return {
    topic: 'org.fedoraproject.prod.pungi.compose.status.change',
    msg: { status, compose_id: id, location },
  };
}
