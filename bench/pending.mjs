/** 100,000 pending runs: what the master takes for them, and how soon it is back after its end. */
import { median, spread, table, title, verdict } from './kit/figures.mjs';
import { rssMb, withProcesses } from './kit/processes.mjs';
import { checkBuild, pause, since, startMaster } from './kit/yard.mjs';

const RUNS = 100_000;
const SUBMIT_SIZE = 1_000;
const RESTARTS = ['SIGTERM', 'SIGKILL', 'SIGKILL'];
const SETTLE_MS = 2_000;
const RSS_MAX_MB = 400;
const RESTART_MAX_MS = 5_000;

checkBuild();
title(`pending: ${RUNS} runs that wait for a slave`, [
  `POST /api/runs with ${SUBMIT_SIZE} each, 2 lanes; VmRSS ${SETTLE_MS} ms after the last answer`,
  `restart: from the spawn of "runyard master" to /readyz 200, after ${RESTARTS.join(', ')}`,
]);

const isMet = await withProcesses(async (place) => {
  let master = await startMaster(place);
  const emptyMb = rssMb(master.pid);
  const startedAt = performance.now();
  let left = RUNS;
  const lane = async () => {
    while (left > 0) {
      const size = Math.min(SUBMIT_SIZE, left);
      left -= size;
      const requests = Array.from({ length: size }, () => ({ argv: ['/bin/true'] }));
      await master.client.ask('POST', '/api/runs', requests);
    }
  };
  await Promise.all([lane(), lane()]);
  const submitMs = since(startedAt);
  await pause(SETTLE_MS);
  await checkPending(master.client);
  const filledMb = rssMb(master.pid);

  const [restartMs, restartedMb] = [[], []];
  for (const signal of RESTARTS) {
    master.client.close();
    master.child.kill(signal);
    await master.child.ended;
    master = await startMaster(place, { port: master.port });
    restartMs.push(master.startupMs);
    await checkPending(master.client);
    restartedMb.push(rssMb(master.pid));
  }
  master.client.close();

  table(
    ['', 'master'],
    [
      ['submitted runs/s', ((RUNS / submitMs) * 1000).toFixed(0)],
      ['RSS empty, MB', emptyMb.toFixed(0)],
      [`RSS with ${RUNS} pending, MB`, filledMb.toFixed(0)],
      ['RSS after a restart, MB', spread(restartedMb)],
      ['restart to serving, ms', spread(restartMs)],
    ],
  );
  const mostMb = Math.max(filledMb, ...restartedMb);
  const slowestMs = Math.max(...restartMs);
  const checks = [
    verdict('RSS', `${mostMb.toFixed(0)} MB`, mostMb <= RSS_MAX_MB, `<= ${RSS_MAX_MB} MB`),
    verdict(
      'restart to serving',
      `${median(restartMs).toFixed(0)} ms, slowest ${slowestMs.toFixed(0)} ms`,
      slowestMs <= RESTART_MAX_MS,
      `<= ${RESTART_MAX_MS} ms`,
    ),
  ];
  return checks.every(Boolean);
});
process.exit(isMet ? 0 : 1);

async function checkPending(client) {
  const length = /^runyard_queue_length (\d+)$/m.exec(await client.text('/metrics'))?.[1];
  if (Number(length) !== RUNS) throw new Error(`${length} runs are pending, not ${RUNS}`);
}
