/** Durable runs that do nothing: submit to completion recorded, beside BullMQ on a durable Redis. */
import { hasRedis, startBullmq } from './kit/bullmq.mjs';
import { median, spread, table, title, verdict } from './kit/figures.mjs';
import { cpuUs, withProcesses } from './kit/processes.mjs';
import { checkBuild, runMany, startMaster, startSimulatedSlaves } from './kit/yard.mjs';

const ROUNDS = 3;
const RUNS = 30_000;
const JOBS = 15_000;
const SLAVES = { count: 64, slots: 16, processes: 1 };
const PEER = { workers: 1, concurrency: 128, task: 'noop' };
const TARGET = 2;

checkBuild();
title('noop: durable runs that do nothing, submit -> completion recorded', [
  `runyard: ${RUNS} runs a round, POST /api/runs with 500 each, 2 lanes, completions counted on`,
  `  /api/watch; ${SLAVES.count} simulated slaves x ${SLAVES.slots} slots over sockets, ` +
    `${SLAVES.processes} process; LevelDB, each commit synced`,
  `bullmq: ${JOBS} jobs a round, addBulk(500), 2 lanes, QueueEvents 'completed' counted;`,
  `  redis appendfsync always; ${PEER.workers} worker process, concurrency ${PEER.concurrency}`,
]);

const isMet = await withProcesses(async (place) => {
  const master = await startMaster(place);
  await startSimulatedSlaves(place, { url: master.url, ...SLAVES });
  const peer = hasRedis() ? await startBullmq(place, PEER) : undefined;
  const argv = ['noop'];
  await runMany(master, argv, RUNS / 5);
  await peer?.runMany(JOBS / 5);

  const [ours, theirs, masterUs, redisUs] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const before = cpuUs(master.pid).own;
    ours.push((RUNS / (await runMany(master, argv, RUNS))) * 1000);
    masterUs.push((cpuUs(master.pid).own - before) / RUNS);
    if (!peer) continue;
    const redisBefore = cpuUs(peer.pid).own;
    theirs.push((JOBS / (await peer.runMany(JOBS))) * 1000);
    redisUs.push((cpuUs(peer.pid).own - redisBefore) / JOBS);
  }
  await peer?.close();
  master.client.close();

  const rows = [['runyard', spread(ours), spread(masterUs, 1)]];
  if (peer) rows.push(['bullmq', spread(theirs), spread(redisUs, 1)]);
  table(['', 'runs/s', 'master or redis CPU us/run'], rows);
  if (!peer) return true;
  const ratio = median(ours) / median(theirs);
  return verdict('runyard / bullmq', `${ratio.toFixed(2)} x`, ratio >= TARGET, `>= ${TARGET} x`);
});
process.exit(isMet ? 0 : 1);
