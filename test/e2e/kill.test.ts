import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { runRequest } from '../../src/protocol/run.ts';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

let yard: Awaited<ReturnType<typeof startYard>> | undefined;
afterEach(async () => {
  await yard?.stop();
  yard = undefined;
});

/** Each run leaves one file for each time that it was started, so doubles would be seen. */
function requests(marks: string, count: number) {
  mkdirSync(marks, { recursive: true });
  return Array.from({ length: count }, (_, index) =>
    runRequest.parse({
      argv: [
        'sh',
        '-c',
        `echo x > ${marks}/${index}.$RUNYARD_ATTEMPT_NUMBER.$$; sleep 0.$((${index} % 7 + 1)); echo done ${index}`,
      ],
    }),
  );
}

async function allComplete(ids: string[]): Promise<void> {
  for (const id of ids) {
    const status = await yard!.client.waitRun(id, 60_000);
    expect(status).toMatchObject({ state: 'COMPLETE', exitCode: 0 });
    const history = await yard!.client.history(id);
    const ends = history.filter(({ state }) => state === 'COMPLETE');
    expect(ends).toHaveLength(1);
    expect(history.map(({ n }) => n)).toEqual(history.map((_, index) => index + 1));
  }
}

test('a master killed while 200 runs are in flight loses none and doubles none', async () => {
  yard = await startYard();
  const marks = join(yard.root, 'marks');
  const master = await yard.startMaster();
  for (const name of ['s1', 's2']) yard.startSlave(name, '--slots', '100');
  await until(
    async () =>
      (await yard!.client.listSlaves()).filter(({ state }) => state === 'ONLINE').length === 2,
  );
  const submitted = await yard.client.submit(requests(marks, 200));
  const ids = submitted.map(({ runId }) => runId);
  await until(() => readdirSync(marks).length >= 150);
  master.child.kill('SIGKILL');
  await master.ended;
  await yard.startMaster();
  await allComplete(ids);
  // Nothing that a slave had started was started again because its master was gone.
  expect(readdirSync(marks)).toHaveLength(200);
}, 120_000);

test('a slave killed while 200 runs are in flight costs seconds and no run', async () => {
  yard = await startYard();
  const marks = join(yard.root, 'marks');
  await yard.startMaster('--lease', '2s');
  const doomed = yard.startSlave('s1', '--slots', '100');
  yard.startSlave('s2', '--slots', '100');
  await until(
    async () =>
      (await yard!.client.listSlaves()).filter(({ state }) => state === 'ONLINE').length === 2,
  );
  const ids = (await yard.client.submit(requests(marks, 200))).map(({ runId }) => runId);
  await until(() => readdirSync(marks).length >= 100);
  doomed.child.kill('SIGKILL');
  await allComplete(ids);
  const statuses = await Promise.all(ids.map((id) => yard!.client.getRun(id)));
  expect(statuses.some(({ lost }) => lost > 0)).toBe(true);
}, 120_000);

test('a slave that is killed and comes back takes up what it was running', async () => {
  yard = await startYard();
  await yard.startMaster();
  const first = yard.startSlave('s1', '--slots', '4');
  const marks = join(yard.root, 'marks');
  mkdirSync(marks);
  const argv = ['sh', '-c', `echo x >> ${marks}/one; sleep 2; echo still here`];
  const [submitted] = await yard.client.submit([runRequest.parse({ argv })]);
  await until(() => readdirSync(marks).length === 1);
  first.child.kill('SIGKILL');
  await first.ended;
  yard.startSlave('s1', '--slots', '4');
  const status = await yard.client.waitRun(submitted!.runId, 30_000);
  expect(status).toMatchObject({ state: 'COMPLETE', attempt: 1, lost: 0 });
  const output = await fetch(`${yard.url}/runs/${status.runId}/outputs/stdout`);
  expect(await output.text()).toBe('still here\n');
}, 60_000);
