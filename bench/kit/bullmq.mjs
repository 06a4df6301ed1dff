/** The peer: BullMQ on a Redis that syncs each write, with its workers in their own processes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Queue, QueueEvents } from 'bullmq';
import { freePort, messageFrom, saying } from './processes.mjs';

export function hasRedis() {
  const found = spawnSync('redis-server', ['--version']).status === 0;
  if (!found) {
    console.log('   !!! redis-server is not installed: the peer is SKIPPED, there is no ratio');
    console.log('   !!! install it with "apt-get install redis-server"');
  }
  return found;
}

/** `task` is what a worker does with a job: `noop`, or `process` for a spawned /bin/true. */
export async function startBullmq({ directory, start }, { workers, concurrency, task }) {
  const port = await freePort();
  const data = mkdtempSync(join(directory, 'redis-'));
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', data, '--save', ''];
  const redis = start('redis-server', [...args, '--appendonly', 'yes', '--appendfsync', 'always']);
  await saying(redis, /Ready to accept connections/);
  const script = join(import.meta.dirname, 'bullmq-worker.mjs');
  const children = Array.from({ length: workers }, () =>
    start(process.execPath, [script, String(port), String(concurrency), task], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
  );
  await Promise.all(children.map(messageFrom));
  const connection = { host: '127.0.0.1', port };
  // By default events beyond 10,000 are dropped, unread ones too, and the count would never end.
  const queue = new Queue('bench', { connection, streams: { events: { maxLen: 1_000_000 } } });
  const events = new QueueEvents('bench', { connection });
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  events.on('failed', ({ failedReason }) => {
    throw new Error(`a job of BullMQ failed: ${failedReason}`);
  });
  return {
    pid: redis.pid,
    queue,
    events,
    runMany: (count) => runMany(queue, events, count),
    async close() {
      await events.close();
      await queue.close();
    },
    async stop() {
      for (const child of [...children, redis]) child.kill('SIGKILL');
      await Promise.all([...children, redis].map(({ ended }) => ended));
      rmSync(data, { recursive: true });
    },
  };
}

const OPTIONS = { removeOnComplete: true };

/** Adds `count` jobs by 500; resolves once the submitter has heard that all are completed. */
async function runMany(queue, events, count) {
  const ADD_SIZE = 500;
  let ended = 0;
  let left = count;
  let finish;
  const all = new Promise((resolve) => (finish = resolve));
  const onCompleted = () => {
    if (++ended === count) finish();
  };
  events.on('completed', onCompleted);
  const startedAt = performance.now();
  const lane = async () => {
    while (left > 0) {
      const size = Math.min(ADD_SIZE, left);
      left -= size;
      const job = { name: 'run', data: { argv: ['/bin/true'] }, opts: OPTIONS };
      await queue.addBulk(Array.from({ length: size }, () => job));
    }
  };
  await Promise.all([lane(), lane()]);
  await all;
  const tookMs = performance.now() - startedAt;
  events.off('completed', onCompleted);
  return tookMs;
}

/** One job alone, from the add to the event that it is completed, in milliseconds. */
export async function runOne({ queue, events }) {
  const startedAt = performance.now();
  let heard = new Set();
  let wanted;
  let finish;
  const done = new Promise((resolve) => (finish = resolve));
  const onCompleted = ({ jobId }) => {
    if (jobId === wanted) finish();
    else heard?.add(jobId);
  };
  events.on('completed', onCompleted);
  const job = await queue.add('run', { argv: ['/bin/true'] }, OPTIONS);
  wanted = job.id;
  if (heard.has(wanted)) finish();
  heard = undefined;
  await done;
  events.off('completed', onCompleted);
  return performance.now() - startedAt;
}
