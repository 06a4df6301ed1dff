/** One real process on an idle yard: submit to its end known, beside BullMQ. */
import { hasRedis, runOne, startBullmq } from './kit/bullmq.mjs';
import { median, quantile, spread, table, title, verdict } from './kit/figures.mjs';
import { withProcesses } from './kit/processes.mjs';
import { checkBuild, since, startMaster, startSlave, watchEnds } from './kit/yard.mjs';

const ROUNDS = 5;
const RUNS = 120;
const SLOTS = 2;
const PEER = { workers: 1, concurrency: 8, task: 'process' };

checkBuild();
title('latency: one /bin/true at a time, submit -> end known', [
  `${ROUNDS} rounds of ${RUNS}, one after the other, connections kept open`,
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

/** Ends may be heard before the answer to the submit is. */
function makeByWatch(master, ends) {
  return async () => {
    const startedAt = performance.now();
    const end = new Promise((resolve) => (ends.hear = resolve));
    const { runId } = await master.client.ask('POST', '/api/runs', { argv: ['/bin/true'] });
    if ((await end) !== runId) throw new Error('the end of another run was heard');
    return since(startedAt);
  };
}

async function measure(one) {
  const times = [];
  for (let index = 0; index < RUNS; index++) times.push(await one());
  return { p50: median(times), p99: quantile(times, 0.99) };
}

const isMet = await withProcesses(async (place) => {
  const master = await startMaster(place);
  await startSlave(place, { url: master.url, slots: SLOTS });
  const ends = { hear: () => {} };
  const watch = await watchEnds(master.url, (runId) => ends.hear(runId));
  const peer = hasRedis() ? await startBullmq(place, PEER) : undefined;
  const ways = [
    ['runyard wait', () => byWait(master)],
    ['runyard watch', makeByWatch(master, ends)],
    ...(peer ? [['bullmq', () => runOne(peer)]] : []),
  ];
  for (const [, one] of ways) await measure(one);

  const found = new Map(ways.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, one] of ways) found.get(name).push(await measure(one));
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
