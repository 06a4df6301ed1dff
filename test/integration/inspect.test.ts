/** Inspection of a real master and slave by the receivers of `@statelyai/inspect` themselves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWebSocketReceiver } from '@statelyai/inspect';
import type { StatelyInspectionEvent } from '@statelyai/inspect';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeClient } from '../../src/api/client.ts';
import { silentLog } from '../../src/base/log.ts';
import { startMaster } from '../../src/master/main.ts';
import type { RunningMaster } from '../../src/master/main.ts';
import type {
  ActorsAnswer,
  ClusterView,
  RunStep,
  SystemView,
} from '../../src/protocol/devtools.ts';
import { readExport } from '../../src/protocol/history-export.ts';
import { startSlave } from '../../src/slave/main.ts';
import type { RunningSlave } from '../../src/slave/main.ts';
import { until } from '../kit/until.ts';

const root = mkdtempSync(join(tmpdir(), 'runyard-inspect-'));
let master: RunningMaster;
let slave: RunningSlave;
let client: ReturnType<typeof makeClient>;

beforeAll(async () => {
  master = await startMaster({
    state: join(root, 'state'),
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
  });
  client = makeClient({ server: master.url });
  slave = await startSlave({
    master: master.url,
    name: 's1',
    slots: 2,
    workDir: join(root, 'work'),
    log: silentLog,
  });
  await until(async () => (await client.listSlaves()).some(({ state }) => state === 'ONLINE'));
});

afterAll(async () => {
  await slave.drain('test over', 0);
  await master.close();
  rmSync(root, { recursive: true, force: true });
});

const get = async <T>(path: string) => (await (await fetch(`${master.url}${path}`)).json()) as T;

/** A run that has a secret, and is done. */
async function finishedRun(): Promise<string> {
  const argv = ['sh', '-c', 'sleep 0.2; exit 3'];
  const { runId } = await client.submit({ argv, env: { SECRET: 'xyzzy' }, name: 'guarded' });
  await client.waitRun(runId, 20_000);
  return runId;
}

async function newTicket(): Promise<string> {
  const answer = await fetch(`${master.url}/api/tickets`, { method: 'POST' });
  return ((await answer.json()) as { ticket: string }).ticket;
}

async function receive(query: string): Promise<StatelyInspectionEvent[]> {
  const server = `${master.url.replace('http', 'ws')}/inspect?ticket=${await newTicket()}${query}`;
  const events: StatelyInspectionEvent[] = [];
  createWebSocketReceiver({ server }).subscribe((event) => void events.push(event));
  return events;
}

const isEnd = (event: StatelyInspectionEvent) =>
  event.type === '@xstate.snapshot' && (event.snapshot as { status?: string }).status === 'done';

test('before anybody looks no frame is made', async () => {
  await finishedRun();
  const { inspect, sockets } = await get<SystemView>('/api/system');
  expect([inspect, sockets.inspectors]).toEqual([{ frames: 0, errors: 0 }, 0]);
  expect(await client.metrics()).toContain('runyard_inspect_frames_total 0\n');
});

test('the stock WebSocket receiver hears a run live, and the same when it is over', async () => {
  const { runId } = await client.submit({ argv: ['true'], held: true });
  const live = await receive(`&run=${runId}`);
  await until(() => live.length >= 5);
  await client.releaseRun(runId);
  await until(() => live.some(isEnd));
  const late = await receive(`&run=${runId}`);
  await until(() => late.some(isEnd));
  for (const events of [live, late]) {
    const actor = events.find(({ sessionId }) => sessionId === `run/${runId}`)!;
    expect(actor.type).toBe('@xstate.actor');
    const { definition } = actor as { definition?: string };
    expect((JSON.parse(definition!) as { id: string }).id).toBe('run');
  }
  const stepsIn = (events: StatelyInspectionEvent[]) =>
    events.flatMap((event) =>
      event.type === '@xstate.snapshot' ? [(event as unknown as { seq: number }).seq] : [],
    );
  expect(stepsIn(late)).toEqual(stepsIn(live));
});

test('a value of the environment is in no frame, answer, export or page', async () => {
  const runId = await finishedRun();
  const events = await receive(`&run=${runId}`);
  await until(() => events.some(isEnd));
  const paths = ['', '/events?noise=1', '/export', '/next', '/history', '/request'].map(
    (rest) => `/api/runs/${runId}${rest}`,
  );
  const others = ['/api/actors', '/api/cluster', '/api/machines', '/api/system', '/api/messages'];
  const texts = await Promise.all(
    [...paths, ...others, '/api/runs', `/devtools/stately?run=${runId}`, '/metrics'].map(
      async (path) => (await fetch(`${master.url}${path}`)).text(),
    ),
  );
  for (const text of [JSON.stringify(events), ...texts]) {
    expect(text.length).toBeGreaterThan(1);
    expect(text).not.toContain('xyzzy');
  }
});

test('a run is read step by step, exported, and read back', async () => {
  const runId = await finishedRun();
  const steps = await get<RunStep[]>(`/api/runs/${runId}/events`);
  expect(steps.map(({ after }) => after)).toEqual([
    'PENDING.queued',
    'PENDING.assigned',
    ...steps.slice(2, -1).map(({ after }) => after),
    'COMPLETE',
  ]);
  expect(steps.at(-1)).toMatchObject({ from: 'slave/s1', reason: 'exited 3' });
  const text = await (await fetch(`${master.url}/api/runs/${runId}/export`)).text();
  expect(readExport(text)).toMatchObject({ run: { runId, exitCode: 3 }, steps });
});

test('the yard is shown as it was at each step of a run', async () => {
  const { runId } = await client.submit({ argv: ['true'] });
  await client.waitRun(runId, 20_000);
  for (const { seq, after, at } of await get<RunStep[]>(`/api/runs/${runId}/events`)) {
    const view = await get<ClusterView>(`/api/cluster?at=${seq}`);
    expect(view).toMatchObject({ seq, at });
    expect(view.runs[after]).toBeGreaterThan(0);
    const isOn = after === 'PENDING.assigned' || after.startsWith('RUNNING');
    expect(view.slaves).toEqual([{ name: 's1', used: isOn ? 1 : 0, slots: 2 }]);
  }
});

test('actors are a tree of the master, its slaves and what runs on them', async () => {
  const { runId } = await client.submit({ argv: ['sleep', '30'], name: 'long' });
  await until(async () => (await client.getRun(runId)).state === 'RUNNING');
  const { actors, liveRuns } = await get<ActorsAnswer>('/api/actors');
  expect(liveRuns).toBe(1);
  expect(actors.map(({ id, parent }) => [id, parent])).toEqual([
    ['master', undefined],
    ['slave/s1', 'master'],
    [`run/${runId}`, 'slave/s1'],
  ]);
  expect(actors[1]!.messages).toBeGreaterThan(0);
  expect(actors[2]).toMatchObject({ name: 'long', lastMessage: { type: expect.any(String) } });
  await client.abortRun(runId);
});
