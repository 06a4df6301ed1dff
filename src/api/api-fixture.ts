/** An API over real HTTP whose master is a plain object: it notes what it is asked. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { manualClock } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { Log } from '../base/log.ts';
import type { Chart, ClusterView, RunStep, SeriesView, SystemView } from '../protocol/devtools.ts';
import { SCOPES } from '../protocol/http.ts';
import type { HistoryEvent, JobStatus, SlaveStatus, WhyAnswer } from '../protocol/http.ts';
import { runRequest } from '../protocol/run.ts';
import type { RunRequest, RunStatus } from '../protocol/run.ts';
import type { Devtools, MasterService, OpenedOutput, Principal } from '../protocol/service.ts';
import { makeClient } from './client.ts';
import { makeApi } from './server.ts';

export const AT = '2026-01-01T00:00:00.000Z';
export const BUNDLE_ID = `fs-${'a'.repeat(64)}`;

export const run: RunStatus = {
  runId: 'r1',
  state: 'RUNNING',
  attempt: 1,
  failures: 0,
  lost: 0,
  priority: 0,
  createdAt: AT,
};
export const job: JobStatus = {
  jobId: 'j1',
  state: 'IN_PROGRESS',
  total: 1,
  ended: 0,
  failed: 0,
  runs: ['r1'],
  createdAt: AT,
};
export const slave: SlaveStatus = {
  name: 's1',
  state: 'ONLINE',
  arch: 'x86_64',
  labels: {},
  resources: {},
  isolations: ['none'],
  slots: 2,
  used: 1,
  runs: ['r1'],
  version: '0.1.0',
  host: 'h',
  losses: 0,
};
export const why: WhyAnswer = {
  runId: 'r1',
  state: 'PENDING',
  verdict: 'all_busy',
  summary: 'all are busy',
  slaves: [],
  decisions: [],
};

export const step: RunStep = {
  seq: 1,
  n: 1,
  at: AT,
  type: 'run.submitted',
  from: 'user/me',
  to: 'run/r1',
  before: 'NEW',
  after: 'PENDING.queued',
  event: {},
  context: { attempt: 0 },
  changed: [],
  effects: ['enqueue'],
  sent: [],
};
export const chart: Chart = {
  id: 'run',
  initial: 'NEW',
  states: [{ path: 'NEW', type: 'atomic' }],
  transitions: [],
};
const moment = { seq: 1, at: AT };
export const cluster: ClusterView = {
  ...moment,
  first: moment,
  last: moment,
  runs: { 'PENDING.queued': 1 },
  queued: 1,
  slaves: [{ name: 's1', used: 1, slots: 2 }],
};
export const system: SystemView = {
  version: '0.1.0',
  node: 'v20.19.0',
  epoch: 1,
  startedAt: AT,
  lastSeq: 1,
  liveRuns: 1,
  store: { kind: 'memory' },
  sockets: { slaves: 1, watchers: 0, inspectors: 0 },
  inspect: { frames: 0, errors: 0 },
  config: {},
};

export function event(seq: number, runId = 'r1'): HistoryEvent {
  return {
    seq,
    runId,
    n: seq,
    at: AT,
    by: 'test',
    type: 'run.tested',
    state: 'PENDING',
    detail: {},
  };
}

/** One token for each scope, named after it, and one for each kind. */
const PRINCIPALS: Record<string, Principal> = {
  slave: { name: 's1', kind: 'slave', scopes: [] },
  enrol: { name: 'newcomer', kind: 'enrol', scopes: [] },
};
for (const scope of SCOPES) PRINCIPALS[scope] = { name: scope, kind: 'user', scopes: [scope] };

const OPEN: Principal = { name: 'anonymous', kind: 'anonymous', scopes: ['admin'] };

export function outputOf(text: string, complete = true): OpenedOutput {
  const { length } = Buffer.from(text);
  return { body: Readable.from([text]), size: length, complete, from: 0, to: length };
}

export type Asked = [name: string, ...args: unknown[]];

type Note = <T>(name: string, answer: T) => (...args: unknown[]) => Promise<T>;

function makeService(asked: Asked[], open: boolean): MasterService {
  const note: Note =
    (name, answer) =>
    async (...args) => {
      asked.push([name, ...args]);
      return answer;
    };
  return {
    async authenticate(token) {
      if (token === undefined && open) return OPEN;
      if (token === undefined) throw new YardError('auth.missing', 'this master asks for a token');
      const principal = PRINCIPALS[token];
      if (!principal) throw new YardError('auth.invalid', 'this token is not known');
      return principal;
    },
    ...runAnswers(asked, note),
    ...blobAnswers(asked, note),
    submitJob: note('submitJob', { jobId: 'j1', runs: ['r1'] }),
    getJob: note('getJob', job),
    abortJob: note('abortJob', job),
    listSlaves: note('listSlaves', [slave]),
    getSlave: note('getSlave', slave),
    drainSlave: note('drainSlave', slave),
    resumeSlave: note('resumeSlave', slave),
    takeMessage: note('takeMessage', { runs: ['r1'], matched: ['rule 1'], discarded: [] }),
    createToken: note('createToken', { id: 't1', token: 'secret' }),
    listTokens: note('listTokens', [
      { id: 't1', kind: 'user', name: 'me', scopes: ['read' as const] },
    ]),
    revokeToken: note('revokeToken', undefined),
    enrol: note('enrol', { token: 'credential' }),
    ...devtoolsAnswers(note, open),
    watch: note('watch', { stop: () => {} }),
    metrics: note('metrics', 'runyard_runs 1\n'),
    readiness: note('readiness', { ready: true, checks: { store: 'ok' } }),
  };
}

function devtoolsAnswers(note: Note, open: boolean): Devtools {
  return {
    steps: note('steps', [step]),
    next: note('next', { runId: 'r1', seq: 1, state: 'PENDING.queued', events: [] }),
    exportRun: note('exportRun', { run, chart, exportedAt: AT, steps: [step] }),
    cluster: note('cluster', cluster),
    machines: note('machines', [{ name: 'run', chart, population: { NEW: 1 } }]),
    actors: note('actors', { actors: [], liveRuns: 0 }),
    listMessages: note('listMessages', []),
    series: note('series', { stepMs: 1000, at: [], values: {} as SeriesView['values'] }),
    system: note('system', system),
    createTicket: note('createTicket', { ticket: 'ryt_1', expiresAt: AT }),
    async redeemTicket(ticket) {
      if (ticket !== 'ryt_1') throw new YardError('auth.ticket', 'this ticket is not known');
      return open ? OPEN : PRINCIPALS['read']!;
    },
    inspect: note('inspect', { stop: () => {} }),
  };
}

function runAnswers(asked: Asked[], note: Note) {
  return {
    async submit(requests: readonly RunRequest[], by: Principal) {
      asked.push(['submit', requests.map(({ argv }) => argv), by.name]);
      return requests.map(({ key }, index) => ({ runId: `r${index + 1}`, created: key !== 'old' }));
    },
    getRun: note('getRun', run),
    listRuns: note('listRuns', { runs: [run], next: 'r0' }),
    getRequest: note('getRequest', runRequest.parse({ argv: ['true'], env: { SECRET: 'x' } })),
    history: note('history', [event(1)]),
    async waitRun(id: string, waitMs: number) {
      asked.push(['waitRun', id, waitMs]);
      return run;
    },
    abortRun: note('abortRun', run),
    holdRun: note('holdRun', run),
    releaseRun: note('releaseRun', run),
    rerun: note('rerun', { runId: 'r2', created: true }),
    why: note('why', why),
  };
}

type BlobCalls = Pick<
  MasterService,
  | 'openOutput'
  | 'outputTimes'
  | 'openArtifact'
  | 'appendOutput'
  | 'putArtifact'
  | 'putBundle'
  | 'statBundle'
  | 'openBundle'
  | 'openBackup'
>;

function blobAnswers(asked: Asked[], note: Note): BlobCalls {
  async function drink(name: string, at: unknown, body: AsyncIterable<Uint8Array>) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    asked.push([name, at, bytes.toString().slice(0, 100)]);
    return bytes.length;
  }
  return {
    async openOutput(id, stream, options) {
      asked.push(['openOutput', id, stream, options]);
      return outputOf('0123456789');
    },
    outputTimes: note('outputTimes', { marks: [[0, 1_000]] }),
    async openArtifact(...args) {
      asked.push(['openArtifact', ...args]);
      return { body: Readable.from(['<script>']), bytes: 8 };
    },
    async appendOutput(at, bytes) {
      asked.push(['appendOutput', at, Buffer.from(bytes).toString().slice(0, 100)]);
      return { size: at.offset + bytes.length };
    },
    putArtifact: async (at, body) => void (await drink('putArtifact', at, body)),
    putBundle: async (id, body) => ({ id, bytes: await drink('putBundle', id, body) }),
    statBundle: note('statBundle', { id: BUNDLE_ID, bytes: 3 }),
    async openBundle(id) {
      asked.push(['openBundle', id]);
      return { body: Readable.from(['abc']), bytes: 3 };
    },
    openBackup() {
      asked.push(['openBackup']);
      return Readable.from(['all of it']);
    },
  };
}

export interface FixtureOptions {
  service?: Partial<MasterService>;
  clock?: Clock;
  log?: Log;
  /** A master that asks for no token. */
  open?: boolean;
  trustedHosts?: readonly string[];
  statelyUi?: string;
  /** By default any that is free. */
  port?: number;
}

export interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  code: string | undefined;
}

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export type ApiFixture = Awaited<ReturnType<typeof startApi>>;

/** One that ends with the test that starts it. */
export async function startApiForTest(options: FixtureOptions = {}): Promise<ApiFixture> {
  const api = await startApi(options);
  onTestFinished(() => api.stop());
  return api;
}

export async function startApi(options: FixtureOptions = {}) {
  const asked: Asked[] = [];
  const { service, clock = manualClock(), log = silentLog, open = true } = options;
  const { trustedHosts = [], statelyUi } = options;
  const master = { ...makeService(asked, open), ...service };
  const api = makeApi({
    service: master,
    clock,
    log,
    trustedHosts,
    ...(statelyUi === undefined ? {} : { statelyUi }),
  });
  const { url } = await api.listen('127.0.0.1', options.port ?? 0);
  const port = Number(new URL(url).port);

  return {
    api,
    asked,
    url,
    port,
    client: (token?: string) => makeClient({ server: url, token }),
    /** As it is written: `fetch` would tidy paths up, and hide headers. */
    ask(path: string, { method = 'GET', headers = {}, body }: AskOptions = {}): Promise<Answered> {
      return new Promise((resolve, reject) => {
        const out = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const code = /"error":\{"code":"([^"]+)"/.exec(text)?.[1];
            resolve({ status: response.statusCode!, headers: response.headers, text, code });
          });
        });
        out.on('error', reject);
        out.end(body);
      });
    },
    /** Writes bytes as they are; resolves with all that comes back until the end. */
    speak(bytes: string): Promise<string> {
      return new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
        let text = '';
        socket.on('data', (chunk) => (text += chunk.toString()));
        socket.on('error', () => {});
        socket.on('close', () => resolve(text));
      });
    },
    stop: () => api.close(),
  };
}
