import { afterEach, expect, test } from 'vitest';
import { me, startCluster } from '../kit/cluster.ts';
import { until } from '../kit/until.ts';

let cluster: Awaited<ReturnType<typeof startCluster>> | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

test('a command runs on a slave, and its exit code and outputs come back', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [id] = await cluster.submit({ argv: ['sh', '-c', 'echo out; echo err >&2; exit 3'] });
  const status = await cluster.done(id!);
  expect(status).toMatchObject({
    state: 'COMPLETE',
    exitCode: 3,
    reason: 'exited 3',
    attempt: 1,
    slave: 's1',
  });
  expect(await cluster.output(id!)).toBe('out\n');
  expect(await cluster.output(id!, 'stderr')).toBe('err\n');
});

test('what was submitted before any slave came runs when one comes', async () => {
  cluster = await startCluster();
  const ids = await cluster.submit(...Array.from({ length: 20 }, () => ({ argv: ['true'] })));
  const why = await cluster.master.service.why(ids[0]!);
  expect(why).toMatchObject({ verdict: 'none_can_ever', summary: 'no slave has ever connected' });
  await cluster.startSlave('s1', { slots: 4 });
  for (const id of ids) expect((await cluster.done(id)).state).toBe('COMPLETE');
});

test('a run for another architecture waits for a slave of it, and why says so', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [id] = await cluster.submit({ argv: ['true'], arch: 'aarch64' });
  const why = await cluster.master.service.why(id!);
  expect(why.verdict).toBe('none_can_ever');
  expect(why.slaves[0]).toMatchObject({ name: 's1', predicate: 'arch' });
  await cluster.startSlave('s2', { arch: 'aarch64' });
  expect(await cluster.done(id!)).toMatchObject({ state: 'COMPLETE', slave: 's2' });
});

test('an abort ends the process tree and answers with the final status', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [id] = await cluster.submit({ argv: ['sleep', '60'] });
  await running(id!);
  const status = await cluster.master.service.abortRun(id!, me, 'enough');
  expect(status).toMatchObject({ state: 'ABORTED', reason: 'aborted by me: enough' });
});

test('a run over its time is killed and TIMEDOUT; a silent one says which limit it was', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [slow, silent] = await cluster.submit(
    { argv: ['sleep', '60'], timeoutMs: 300 },
    { argv: ['sleep', '60'], outputTimeoutMs: 300 },
  );
  expect(await cluster.done(slow!)).toMatchObject({ state: 'TIMEDOUT', reason: 'timeout.run' });
  expect(await cluster.done(silent!)).toMatchObject({
    state: 'TIMEDOUT',
    reason: 'timeout.output',
  });
});

test('a failing run is tried again, and every try is counted', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [id] = await cluster.submit({
    argv: ['sh', '-c', 'test $RUNYARD_ATTEMPT_NUMBER = 3'],
    retries: 5,
    retry: { backoffMs: 10, backoffMaxMs: 20 },
  });
  expect(await cluster.done(id!)).toMatchObject({
    state: 'COMPLETE',
    exitCode: 0,
    attempt: 3,
    failures: 2,
  });
});

test('a run that cannot start is FAILED with a reason', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [id] = await cluster.submit({ argv: ['/no/such/program'] });
  expect(await cluster.done(id!)).toMatchObject({ state: 'FAILED', reason: 'slave.exec' });
});

test('a master that restarts finds what was running still running', async () => {
  cluster = await startCluster();
  const { cut } = await cluster.startSlave('s1');
  const [id] = await cluster.submit({ argv: ['sh', '-c', 'sleep 1; echo done'] });
  await running(id!);
  cut();
  await cluster.restartMaster();
  expect(await cluster.done(id!)).toMatchObject({ state: 'COMPLETE', attempt: 1, lost: 0 });
  expect(await cluster.output(id!)).toBe('done\n');
});

test('runs of a job wait for what they name, and a bad end aborts what waits for it', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const { runRequest } = await import('../../src/protocol/run.ts');
  const runs = [
    { name: 'a', argv: ['true'] },
    { name: 'b', argv: ['false'], after: ['a'] },
    { name: 'c', argv: ['true'], after: ['b'] },
  ].map((run) => runRequest.parse(run));
  const job = await cluster.master.service.submitJob({ name: 'j', runs }, me);
  const last = await cluster.done(job.runs[2]!);
  expect(last.state).toBe('ABORTED');
  expect(last.reason).toContain(`blocked by ${job.runs[1]}`);
  expect(await cluster.master.service.getJob(job.jobId)).toMatchObject({
    state: 'COMPLETED',
    ended: 3,
    failed: 2,
  });
});

test('the same key gives the same run; the same key with other content is refused', async () => {
  cluster = await startCluster();
  const [a] = await cluster.submit({ argv: ['true'], key: 'k' });
  const [b] = await cluster.submit({ argv: ['true'], key: 'k' });
  expect(b).toBe(a);
  await expect(cluster.submit({ argv: ['false'], key: 'k' })).rejects.toThrow(/^key.conflict/);
});

async function running(id: string): Promise<void> {
  await until(async () => {
    const { state, substate } = await cluster!.master.service.getRun(id);
    return state === 'RUNNING' && substate === 'executing';
  });
}

test('a restart changes no step of a history and nothing of what the yard was', async () => {
  cluster = await startCluster();
  await cluster.startSlave('s1');
  const [id] = await cluster.submit({ argv: ['sh', '-c', 'exit 4'] });
  await cluster.done(id!);
  const look = async () => {
    const { service } = cluster!.master;
    const steps = await service.steps(id!, false);
    return { steps, views: await Promise.all(steps.map(({ seq }) => service.cluster(seq))) };
  };
  const before = await look();
  expect(before.steps.at(-1)).toMatchObject({ after: 'COMPLETE', reason: 'exited 4' });
  await cluster.restartMaster();
  expect(await look()).toEqual(before);
});
