/** Durable runs that do nothing: submit to completion recorded, beside BullMQ on a durable Redis. */
import { hasRedis, startBullmq } from './kit/bullmq.mjs';
import { median, spread, table, title, verdict } from './kit/figures.mjs';
import { cpuUs, withProcesses } from './kit/processes.mjs';
import { checkBuild, runMany, startMaster, startSimulatedSlaves } from './kit/yard.mjs';

const ROUNDS = 7;
const RUNS = 30_000;
const JOBS = 12_000;
const SLAVES = { count: 64, slots: 16, processes: 1 };
/** As the figure of perf.md part 2 was measured, and as it is fastest here. */
const PEERS = [
  { name: 'bullmq, concurrency 8', workers: 1, concurrency: 8, task: 'noop', target: 2 },
  { name: 'bullmq, concurrency 128', workers: 1, concurrency: 128, task: 'noop', target: 1 },
];

checkBuild();
title('noop: durable runs that do nothing, submit -> completion recorded', [
  `runyard: ${RUNS} runs a round, POST /api/runs with 500 each, 2 lanes, completions counted on`,
  `  /api/watch; ${SLAVES.count} simulated slaves x ${SLAVES.slots} slots over sockets, ` +
    `${SLAVES.processes} process; LevelDB, each commit synced`,
  `bullmq: ${JOBS} jobs a round, addBulk(500), 2 lanes, QueueEvents 'completed' counted;`,
  `  redis appendfsync always; 1 worker process, concurrency as named`,
]);

const isMet = await withProcesses(async (place) => {
  const master = await startMaster(place);
  await startSimulatedSlaves(place, { url: master.url, ...SLAVES });
  const argv = ['noop'];
  await runMany(master, argv, RUNS / 2);

  const ours = { perSecond: [], us: [] };
  const peers = hasRedis() ? PEERS.map((peer) => ({ ...peer, perSecond: [], us: [] })) : [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = cpuUs(master.pid).own;
    ours.perSecond.push((RUNS / (await runMany(master, argv, RUNS))) * 1000);
    ours.us.push((cpuUs(master.pid).own - before) / RUNS);
    for (const peer of peers) await measurePeer(place, peer);
  }
  master.client.close();

  const rowOf = (name, { perSecond, us }) => [name, spread(perSecond), spread(us, 1)];
  table(
    ['', 'runs/s', 'master or redis CPU us/run'],
    [rowOf('runyard', ours), ...peers.map((peer) => rowOf(peer.name, peer))],
  );
  const met = peers.map(({ name, perSecond, target }) => {
    // Within a round, since a shared machine is not as fast in the next.
    const ratios = ours.perSecond.map((own, round) => own / perSecond[round]);
    const isMet = median(ratios) >= target;
    return verdict(`runyard / ${name}`, `${spread(ratios, 2)} x`, isMet, `>= ${target} x`);
  });
  return met.every(Boolean);
});
process.exit(isMet ? 0 : 1);

/** On a Redis of its own, so that no other worker takes its jobs. */
async function measurePeer(place, { perSecond, us, ...settings }) {
  const peer = await startBullmq(place, settings);
  await peer.runMany(JOBS / 2);
  const before = cpuUs(peer.pid).own;
  perSecond.push((JOBS / (await peer.runMany(JOBS))) * 1000);
  us.push((cpuUs(peer.pid).own - before) / JOBS);
  await peer.close();
  await peer.stop();
}
