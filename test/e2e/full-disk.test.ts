import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { mountSmallDisk } from '../chaos/disk.ts';
import type { SmallDisk } from '../chaos/disk.ts';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

let yard: Awaited<ReturnType<typeof startYard>> | undefined;
let disk: SmallDisk | undefined;
afterEach(async () => {
  disk?.free();
  // Its processes must be gone before what they write on is.
  for (const child of started.splice(0)) child.kill('SIGKILL');
  disk?.remove();
  await yard?.stop();
  [yard, disk] = [undefined, undefined];
});
const started: { kill: (signal: 'SIGKILL') => boolean }[] = [];

test('a master whose disk is full says so, loses nothing, and goes on when there is room', async (context) => {
  yard = await startYard();
  disk = mountSmallDisk(join(yard.root, 'state'), '8m');
  if (!disk) {
    console.warn('NOT TESTED: a full disk under a master, because nothing can be mounted here');
    return context.skip();
  }
  const { client, url } = yard;
  const master = await yard.startMaster();
  const slave = yard.startSlave('s1', '--slots', '3');
  started.push(master.child, slave.child);
  await until(async () => (await client.listSlaves()).length === 1);
  const go = join(yard.root, 'go');
  const wait = `while [ ! -e ${go} ]; do sleep 0.1; done`;
  const long = await client.submit({ argv: ['sh', '-c', `${wait}; seq 20000`] });
  const kept = `${wait}; seq 50000 >"$RUNYARD_ARTIFACTS_DIR/kept"`;
  const keeping = await client.submit({ argv: ['sh', '-c', kept] });
  const queued = await client.submit({ argv: ['true'], arch: 's390x' });
  await until(async () => (await client.getRun(keeping.runId)).state === 'RUNNING');

  disk.fill();
  // As many as it takes: what the disk has given to the database already is used up first.
  const accepted: string[] = [];
  let refused: unknown;
  await until(async () => {
    const one = { argv: ['true'], name: 'x'.repeat(200), arch: 's390x' };
    await client.submit(Array.from({ length: 500 }, () => one)).then(
      (runs) => accepted.push(...runs.map(({ runId }) => runId)),
      (error: unknown) => (refused = error),
    );
    return refused !== undefined;
  });
  expect(refused).toMatchObject({ code: 'store.full', hint: expect.stringMatching(/^free some/) });
  await until(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 503);
  await until(async () => (await client.submit({ argv: ['true'] }).catch(codeOf)) === 'store.full');
  const ready = await (await fetch(`${url}/readyz`)).json();
  expect(ready).toMatchObject({
    ready: false,
    checks: { store: expect.stringMatching(/^store\.full: /) },
  });
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect((await fetch(url, { headers: { accept: 'text/html' } })).status).toBe(200);
  const said = await yard.run('run', 'list');
  expect([said.code, said.stderr]).toEqual([73, expect.stringContaining('store.full')]);

  // What runs ends meanwhile, and is heard when there is room.
  writeFileSync(go, '');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(master.child.exitCode).toBe(null);
  disk.free();
  await until(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok ?? false);
  for (const { runId } of [long, keeping]) {
    const run = await client.waitRun(runId, 60_000);
    expect(run).toMatchObject({ state: 'COMPLETE', exitCode: 0, attempt: 1, lost: 0 });
  }
  expect((await client.getRun(keeping.runId)).artifacts).toHaveLength(1);
  for (const id of [queued.runId, ...accepted]) {
    expect((await client.getRun(id)).state).toBe('PENDING');
  }
  expect((await client.submit({ argv: ['true'] })).created).toBe(true);
}, 120_000);

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
