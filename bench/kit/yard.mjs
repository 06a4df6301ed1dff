/** A master and slaves as people start them, and a client that is no bottleneck. */
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join, resolve } from 'node:path';
import WebSocket from 'ws';
import { freePort, messageFrom, saying } from './processes.mjs';

/** Another build can be measured by naming its `dist`. */
export const DIST = resolve(
  process.env.RUNYARD_BENCH_DIST ?? join(import.meta.dirname, '../../dist'),
);
const CLI = join(DIST, 'cli/runyard.js');
/** For a profile of the master: `--cpu-prof --cpu-prof-dir=/tmp/profile`. */
/** As the first line of the program has it. */
const OWN_NODE_ARGS = ['--max-semi-space-size=64'];
const NODE_ARGS = [
  ...OWN_NODE_ARGS,
  ...(process.env.RUNYARD_BENCH_NODE_ARGS ?? '').split(' ').filter(Boolean),
];

export function checkBuild() {
  if (existsSync(CLI)) return;
  console.error(`${CLI} is missing: run "npm run build" first`);
  process.exit(2);
}

/** Starts a master and resolves once /readyz says 200; `startupMs` is from its spawn to there. */
export async function startMaster({ directory, start }, { port } = {}) {
  const listenPort = port ?? (await freePort());
  const url = `http://127.0.0.1:${listenPort}`;
  const startedAt = performance.now();
  const state = join(directory, 'state');
  const flags = ['--state', state, '--port', String(listenPort), '--log-level', 'warn'];
  const child = start(process.execPath, [...NODE_ARGS, CLI, 'master', ...flags]);
  await saying(child, /master at http/);
  const client = makeClient(url);
  while ((await client.statusOf('/readyz')) !== 200) await pause(5);
  return { child, pid: child.pid, port: listenPort, url, client, startupMs: since(startedAt) };
}

export async function startSlave({ directory, start }, { url, slots }) {
  const work = join(directory, 'work');
  const flags = ['--master', url, '--name', 'bench', '--work-dir', work, '--slots', String(slots)];
  const args = [...NODE_ARGS, CLI, 'slave', ...flags, '--log-level', 'warn'];
  const child = start(process.execPath, args);
  await saying(child, /slave bench/);
  const client = makeClient(url);
  await untilSlaves(client, 1);
  return { child, pid: child.pid };
}

/** Slaves that end each task in the turn in which they get it, in `processes` processes. */
export async function startSimulatedSlaves({ start }, { url, count, slots, processes }) {
  const script = join(import.meta.dirname, 'simulated-slaves.mjs');
  const children = [];
  for (let part = 0; part < processes; part++) {
    const own =
      Math.floor((count * (part + 1)) / processes) - Math.floor((count * part) / processes);
    const args = [script, DIST, url, `p${part}`, String(own), String(slots)];
    children.push(
      start(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
  }
  await Promise.all(children.map(messageFrom));
  await untilSlaves(makeClient(url), count);
  return children;
}

async function untilSlaves(client, count) {
  for (;;) {
    const slaves = await client.ask('GET', '/api/slaves');
    if (slaves.filter(({ state }) => state === 'ONLINE').length >= count) return;
    await pause(20);
  }
}

/** HTTP over kept connections; `fetch` would cost the submitter more than the master. */
export function makeClient(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const { hostname, port } = new URL(url);

  function send(method, path, body) {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : bodyHeaders(text);
      const asked = request({ agent, hostname, port, method, path, headers }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() });
        });
      });
      asked.once('error', reject);
      asked.end(text);
    });
  }

  return {
    async ask(method, path, body) {
      const { status, text } = await send(method, path, body);
      if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`);
      return JSON.parse(text);
    },
    text: async (path) => (await send('GET', path)).text,
    async statusOf(path) {
      const answer = await send('GET', path).catch(() => undefined);
      return answer?.status;
    },
    close: () => agent.destroy(),
  };
}

function bodyHeaders(text) {
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
}

/** Calls back with the id of each run that ended, once its end is recorded. */
export async function watchEnds(url, onEnd) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/watch?ends=1`, {
    perMessageDeflate: false,
  });
  await new Promise((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
  });
  socket.on('message', (text) => {
    const { events } = JSON.parse(text);
    for (const { state, runId, detail } of events ?? []) {
      if (state.startsWith('PENDING') || state.startsWith('RUNNING')) continue;
      if (state !== 'COMPLETE')
        throw new Error(`${runId} ended ${state} ${JSON.stringify(detail)}`);
      onEnd(runId);
    }
  });
  return { close: () => socket.terminate() };
}

/** Submits `count` runs in arrays of 500 by two lanes; resolves once all of them have ended. */
export async function runMany({ client, url }, argv, count) {
  const SUBMIT_SIZE = 500;
  let ended = 0;
  let left = count;
  let finish;
  const all = new Promise((resolve) => (finish = resolve));
  const watch = await watchEnds(url, () => {
    if (++ended === count) finish();
  });
  const startedAt = performance.now();
  const lane = async () => {
    while (left > 0) {
      const size = Math.min(SUBMIT_SIZE, left);
      left -= size;
      await client.ask(
        'POST',
        '/api/runs',
        Array.from({ length: size }, () => ({ argv })),
      );
    }
  };
  await Promise.all([lane(), lane()]);
  await all;
  const tookMs = since(startedAt);
  watch.close();
  return tookMs;
}

export function since(startedAt) {
  return performance.now() - startedAt;
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
