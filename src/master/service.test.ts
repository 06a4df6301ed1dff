import { expect, test } from 'vitest';
import { heldStore, me, scriptedSlave, settled } from '../../test/kit/yard.ts';
import { manualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { runRequest } from '../protocol/run.ts';
import { openMaster } from './master.ts';
import type { BlobStore } from './store/port.ts';
import { makeMemoryStore } from './store/memory.ts';

async function open() {
  const clock = manualClock();
  const gate = heldStore(makeMemoryStore(clock));
  const { service, hub } = await openMaster({
    store: gate.store,
    blobs: {} as BlobStore,
    clock,
    random: seededRandom(1),
    log: silentLog,
    openAccess: true,
    allowGitFile: false,
    leaseMs: 15_000,
    baseUrl: () => 'http://master',
  });
  return { clock, gate, service, hub };
}

/** A run that s1 had, and that is being granted to s2: the commit of that is held. */
async function openWithGrantUnderWay() {
  const { clock, gate, service, hub } = await open();
  const [first, second] = ['s1', 's2'].map((name) => scriptedSlave(clock, hub, name));
  first!.greet();
  await settled();
  await service.submit([runRequest.parse({ argv: ['true'] })], me);
  await settled();
  const claim = first!.claim();
  second!.greet();
  await settled();
  gate.hold();
  first!.send({ type: 'goodbye', reason: 'its machine is needed' });
  await settled();
  const append = () =>
    service.appendOutput({ ...claim, stream: 'stdout', offset: 0 }, Buffer.from('x'), me);
  const put = () => service.putArtifact({ ...claim, name: 'a', sha256: '' }, [] as never, me);
  return { gate, append, put };
}

test.each(['append', 'put'] as const)(
  '%s: bytes are refused as stale only once the newer grant is on disk',
  async (what) => {
    const { gate, ...asks } = await openWithGrantUnderWay();
    const told: unknown[] = [];
    const refused = asks[what]().catch((error: { code: string }) => void told.push(error.code));
    await settled();
    expect(told).toEqual([]);
    gate.release();
    await refused;
    expect(told).toEqual(['run.stale_attempt']);
  },
);

test('bytes are not refused as stale for a grant that never came to be', async () => {
  const { gate, append } = await openWithGrantUnderWay();
  const refused = expect(append()).rejects.toThrow('the disk failed');
  await settled();
  gate.fail(new Error('the disk failed'));
  await refused;
});

test.each([
  ['blocked', 0],
  ['held', 1],
])('%s: a hold that is repeated is answered as it was, another is refused', async (stands, n) => {
  const { service } = await open();
  const first = (await service.submit([runRequest.parse({ argv: ['true'] })], me))[0]!.runId;
  const second = runRequest.parse({ argv: ['true'], after: [first] });
  const id = [(await service.submit([second], me))[0]!.runId, first][n]!;
  const hold = { by: me.name, note: 'no mirror' };
  const ask = (note: string, by = me) => service.holdRun(id, by, note);
  expect(await ask('no mirror')).toMatchObject({ substate: stands, hold });
  const { length } = await service.history(id);
  expect(await ask('no mirror')).toMatchObject({ substate: stands, hold });
  const text = `hold.taken: run ${id} is held by ${me.name}: no mirror`;
  await expect(ask('')).rejects.toThrow(text);
  await expect(ask('no mirror', { ...me, name: 'ann' })).rejects.toThrow(text);
  expect((await service.getRun(id)).hold).toEqual(hold);
  expect(await service.history(id)).toHaveLength(length);
});
