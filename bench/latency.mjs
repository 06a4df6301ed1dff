/** One real process on an idle yard: submit to its end known, beside BullMQ. */
import { hasRedis, runOne, startBullmq } from './kit/bullmq.mjs';
import { median, quantile, spread, table, title, verdict } from './kit/figures.mjs';
import { withProcesses } from './kit/processes.mjs';
import { checkBuild, since, startMaster, startSlave, watchEnds } from './kit/yard.mjs';

const ROUNDS = 5;
const RUNS = 200;
/** Until the programs of both are compiled; a master and its slaves run for weeks. */
const WARM_UP = 600;
const SLOTS = 2;
const PEER = { workers: 1, concurrency: 8, task: 'process' };

checkBuild();
title('latency: one /bin/true at a time, submit -> end known', [
  `${ROUNDS} rounds of ${RUNS} of each in turn, after ${WARM_UP}; connections kept open`,
  `runyard wait: POST /api/runs, then GET /api/runs/ID/wait, as "submit --wait" does`,
  `runyard watch: POST /api/runs, its end heard on an open /api/watch`,
  `  one slave, --slots ${SLOTS}; LevelDB, each commit synced`,
  `bullmq: add, QueueEvents 'completed'; redis appendfsync always; 1 worker, child_process.spawn`,
]);

async function byWait({ client }) {
  const startedAt = performance.now();
  const { runId } = await client.ask('POST', '/api/runs', { argv: ['/bin/true'] });
  const { state } = await client.ask('GET', `/api/runs/${runId}/wait?ms=10000`);
  if (state !== 'COMPLETE') throw new Error(`${runId} is ${state}`);
  return since(startedAt);
}

/** Ends may be heard before the answer to the submit is, and after that of the other way's wait. */
function makeByWatch(master, ends) {
  return async () => {
    const startedAt = performance.now();
    const { runId } = await master.client.ask('POST', '/api/runs', { argv: ['/bin/true'] });
    await ends.of(runId);
    return since(startedAt);
  };
}

/** The ends that were heard, whichever of them is asked for. */
function makeEnds() {
  const heard = new Set();
  let onEnd = () => {};
  return {
    hear(runId) {
      heard.add(runId);
      onEnd();
    },
    async of(runId) {
      while (!heard.has(runId)) await new Promise((resolve) => (onEnd = resolve));
      heard.clear();
    },
  };
}

/** Turn by turn, so that a slow moment of the machine meets them all. */
async function measure(ways, runs) {
  const times = ways.map(() => []);
  for (let index = 0; index < runs; index++) {
    for (const [way, [, one]] of ways.entries()) times[way].push(await one());
  }
  return times.map((own) => ({ p50: median(own), p99: quantile(own, 0.99) }));
}

const isMet = await withProcesses(async (place) => {
  const master = await startMaster(place);
  await startSlave(place, { url: master.url, slots: SLOTS });
  const ends = makeEnds();
  const watch = await watchEnds(master.url, (runId) => ends.hear(runId));
  const peer = hasRedis() ? await startBullmq(place, PEER) : undefined;
  const ways = [
    ['runyard wait', () => byWait(master)],
    ['runyard watch', makeByWatch(master, ends)],
    ...(peer ? [['bullmq', () => runOne(peer)]] : []),
  ];
  await measure(ways, WARM_UP);

  const found = new Map(ways.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const measured = await measure(ways, RUNS);
    for (const [way, [name]] of ways.entries()) found.get(name).push(measured[way]);
  }
  watch.close();
  await peer?.close();
  master.client.close();

  const rows = [...found].map(([name, rounds]) => [
    name,
    spread(
      rounds.map(({ p50 }) => p50),
      2,
    ),
    spread(
      rounds.map(({ p99 }) => p99),
      1,
    ),
  ]);
  table(['', 'p50 ms', 'p99 ms'], rows);
  if (!peer) return true;
  const p50Of = (name) => median(found.get(name).map(({ p50 }) => p50));
  const ratio = p50Of('runyard wait') / p50Of('bullmq');
  return verdict('p50, runyard wait / bullmq', `${ratio.toFixed(2)} x`, ratio <= 1, '<= 1 x');
});
process.exit(isMet ? 0 : 1);
