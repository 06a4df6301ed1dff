import { cpSync, existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fakeHost } from '../../src/cli/host-fixture.ts';
import { outputKey } from '../../src/master/outputs.ts';
import { timesKey } from '../../src/master/times.ts';
import { startCluster } from '../kit/cluster.ts';
import { until } from '../kit/until.ts';

type Cluster = Awaited<ReturnType<typeof startCluster>>;
let cluster: Cluster;
let cwd: string;
beforeAll(async () => {
  cluster = await startCluster();
  cwd = mkdtempSync(join(tmpdir(), 'runyard-times-test-'));
  await cluster.startSlave('s1', { slots: 8 });
});
afterAll(async () => {
  await cluster.stop();
  rmSync(cwd, { recursive: true, force: true });
});

const marksOf = async (id: string, from?: number) =>
  (await cluster.master.service.outputTimes(id, 'combined', { from })).marks;
const submit = async (script: string, more = {}) =>
  (await cluster.submit({ argv: ['sh', '-c', script], ...more }))[0]!;
const fileOf = (root: string, id: string) =>
  join(root, 'blobs', `${timesKey(outputKey(id, 1, 'combined'))}.part`);

const untilThere = (path: string) => `until [ -e ${path} ]; do sleep 0.02; done`;

/** A run that ended after its times were written. */
async function withTimes(): Promise<string> {
  const end = join(mkdtempSync(join(cwd, 'end-')), 'now');
  const id = await submit(`seq 1 2000; ${untilThere(end)}; seq 1 2000`);
  await until(async () => existsSync(fileOf(cluster.root, id)));
  writeFileSync(end, '');
  await cluster.done(id);
  return id;
}

test('what is written later has a later time, while it runs and afterwards', async () => {
  const [gate, end] = [join(cwd, 'gate'), join(cwd, 'end')];
  const submittedAt = Date.now();
  const id = await submit(`echo one; ${untilThere(gate)}; echo two; ${untilThere(end)}`);
  await until(async () => (await marksOf(id)).length === 1);
  const openedAt = Date.now();
  writeFileSync(gate, '');
  await until(async () => (await marksOf(id)).length === 2);
  const running = await marksOf(id);
  const [[first, firstAt], [second, secondAt]] = running as [[number, number], [number, number]];
  expect([first, second]).toEqual([0, 4]);
  expect(firstAt).toBeGreaterThanOrEqual(submittedAt);
  expect(firstAt).toBeLessThanOrEqual(openedAt);
  expect(secondAt).toBeGreaterThanOrEqual(openedAt);
  await until(async () => existsSync(fileOf(cluster.root, id)));
  writeFileSync(end, '');
  await cluster.done(id);
  expect(await marksOf(id)).toEqual(running);
  expect(await marksOf(id, 4)).toEqual(running.slice(1));
});

test('what came with the report has the time of the end, and no file of its own', async () => {
  const id = await submit('echo out; echo err >&2; exit 3');
  const { finishedAt } = await cluster.done(id);
  expect(await marksOf(id)).toEqual([[0, Date.parse(finishedAt!)]]);
  expect(existsSync(fileOf(cluster.root, id))).toBe(false);
});

test('each attempt has its own times', async () => {
  const retry = { backoffMs: 1, backoffMaxMs: 2 };
  const id = await submit('echo again; exit 1', { retries: 1, retry });
  const { finishedAt } = await cluster.done(id);
  const ofFirst = await cluster.master.service.outputTimes(id, 'stdout', { attempt: 1 });
  expect(ofFirst.marks[0]![1]).toBeLessThan(Date.parse(finishedAt!));
  expect(await marksOf(id)).toEqual([[0, Date.parse(finishedAt!)]]);
});

test('a run that wrote nothing, is not there or was not tried is told as its output is', async () => {
  expect(
    await marksOf(await submit('exit 0').then(async (id) => (await cluster.done(id)).runId)),
  ).toEqual([]);
  const waiting = await submit('exit 0', { arch: 'aarch64' });
  expect(await marksOf(waiting)).toEqual([]);
  const { service } = cluster.master;
  await expect(service.outputTimes('nobody', 'stdout', {})).rejects.toThrow('output.unknown');
  await expect(service.outputTimes(waiting, 'stdout', { attempt: 2 })).rejects.toThrow(
    'output.unknown',
  );
});

test('times of an output that was removed are gone as it is', async () => {
  const id = await withTimes();
  expect(await marksOf(id)).not.toEqual([]);
  await cluster.blobs.remove(`o/${id}`);
  await expect(marksOf(id)).rejects.toThrow('output.expired');
  expect(existsSync(fileOf(cluster.root, id))).toBe(false);
});

test('a backup holds the times, and fsck wants none', async () => {
  const id = await withTimes();
  const marks = await marksOf(id);
  expect(marks.length).toBeGreaterThan(1);
  await cluster.restartMaster();
  expect(await marksOf(id)).toEqual(marks);
  await cluster.master.stop();
  const state = join(cwd, 'state');
  cpSync(join(cluster.root, 'state'), state, { recursive: true });
  cpSync(join(cluster.root, 'blobs'), join(state, 'blobs'), { recursive: true });
  const runyard = async (...argv: string[]) => {
    const { run, said } = fakeHost({}, { cwd });
    return { status: await run(...argv), ...said };
  };
  expect(await runyard('backup', 'state', 'backup')).toMatchObject({ status: 0 });
  expect(await runyard('restore', 'backup', 'again')).toMatchObject({ status: 0 });
  const kept = fileOf(join(cwd, 'again'), id);
  expect(existsSync(kept)).toBe(true);
  const clean = await runyard('fsck', 'again');
  truncateSync(kept, 5);
  expect((await runyard('fsck', 'again')).stdout).toBe(clean.stdout);
});
