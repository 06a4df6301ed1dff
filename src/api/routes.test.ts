import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readExport } from '../protocol/history-export.ts';
import { SCOPES } from '../protocol/http.ts';
import {
  AT,
  BUNDLE_ID,
  chart,
  cluster,
  event,
  job,
  run,
  slave,
  startApi,
  step,
  system,
  why,
} from './api-fixture.ts';
import type { ApiFixture, AskOptions } from './api-fixture.ts';
import { ROUTES } from './routes.ts';

let open: ApiFixture;
let guarded: ApiFixture;
beforeAll(async () => {
  open = await startApi();
  guarded = await startApi({ open: false });
});
afterAll(async () => {
  await Promise.all([open.stop(), guarded.stop()]);
});

const json = (body: unknown): AskOptions => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const bytes = (text: string): AskOptions => ({
  headers: { 'content-type': 'application/octet-stream', 'x-runyard-attempt-token': 'claim' },
  body: text,
});
const anonymous = { name: 'anonymous', kind: 'anonymous', scopes: ['admin'] };
const sha256 = 'b'.repeat(64);
const outputOptions = { attempt: undefined, range: undefined, follow: false };

interface Case {
  path: string;
  given?: AskOptions;
  status?: number;
  asked?: unknown[];
  answer?: unknown;
}

/** One for each route, by the route's own name. */
const CASES: Record<string, Case> = {
  'POST /api/runs': {
    path: '/api/runs',
    given: json({ argv: ['true'] }),
    status: 201,
    asked: ['submit', [['true']], 'anonymous'],
    answer: { runId: 'r1', created: true },
  },
  'GET /api/runs': {
    path: `/api/runs?state=pending,running&slave=s1&job=j1&name=n&is=queued&exit=2&since=${AT}&text=a&text=b&scan=9&limit=5&before=r9`,
    asked: [
      'listRuns',
      {
        state: ['PENDING', 'RUNNING'],
        slave: 's1',
        job: 'j1',
        name: 'n',
        is: 'queued',
        exit: 2,
        since: AT,
        text: ['a', 'b'],
        scan: 9,
        limit: 5,
        before: 'r9',
      },
    ],
    answer: [run],
  },
  'GET /api/runs/:id': { path: '/api/runs/r1', asked: ['getRun', 'r1'], answer: run },
  'GET /api/runs/:id/request': { path: '/api/runs/r1/request', asked: ['getRequest', 'r1'] },
  'GET /api/runs/:id/history': {
    path: '/api/runs/r1/history',
    asked: ['history', 'r1'],
    answer: [event(1)],
  },
  'GET /api/runs/:id/wait': {
    path: '/api/runs/r1/wait?ms=7',
    asked: ['waitRun', 'r1', 7],
    answer: run,
  },
  'GET /api/runs/:id/why': { path: '/api/runs/r1/why', asked: ['why', 'r1'], answer: why },
  'POST /api/runs/:id/abort': {
    path: '/api/runs/r1/abort',
    given: json({ why: 'wrong' }),
    asked: ['abortRun', 'r1', anonymous, 'wrong'],
    answer: run,
  },
  'POST /api/runs/:id/hold': {
    path: '/api/runs/r1/hold',
    given: json({ note: 'wait' }),
    asked: ['holdRun', 'r1', anonymous, 'wait'],
    answer: run,
  },
  'POST /api/runs/:id/release': {
    path: '/api/runs/r1/release',
    asked: ['releaseRun', 'r1', anonymous],
    answer: run,
  },
  'POST /api/runs/:id/rerun': {
    path: '/api/runs/r1/rerun',
    status: 201,
    asked: ['rerun', 'r1', anonymous],
    answer: { runId: 'r2', created: true },
  },
  'POST /api/jobs': {
    path: '/api/jobs',
    given: json({ name: 'nightly', runs: [{ argv: ['true'], name: 'a' }] }),
    status: 201,
    answer: { jobId: 'j1', runs: ['r1'] },
  },
  'GET /api/jobs/:id': { path: '/api/jobs/j1', asked: ['getJob', 'j1'], answer: job },
  'POST /api/jobs/:id/abort': {
    path: '/api/jobs/j1/abort',
    asked: ['abortJob', 'j1', anonymous, ''],
    answer: job,
  },
  'GET /api/slaves': { path: '/api/slaves', asked: ['listSlaves'], answer: [slave] },
  'GET /api/slaves/:name': { path: '/api/slaves/s1', asked: ['getSlave', 's1'], answer: slave },
  'POST /api/slaves/:name/drain': {
    path: '/api/slaves/s1/drain',
    given: json({ note: 'kernel', forMs: 5 }),
    asked: ['drainSlave', 's1', anonymous, { note: 'kernel', forMs: 5 }],
    answer: slave,
  },
  'POST /api/slaves/:name/resume': {
    path: '/api/slaves/s1/resume',
    asked: ['resumeSlave', 's1', anonymous],
    answer: slave,
  },
  'POST /api/slaves/enrol': {
    path: '/api/slaves/enrol',
    given: json({ name: 's2' }),
    asked: ['enrol', 's2', anonymous],
    answer: { token: 'credential' },
  },
  'PUT /api/attempts/:runId/:attempt/outputs/:stream': {
    path: '/api/attempts/r1/2/outputs/stderr?offset=4',
    given: bytes('more'),
    asked: [
      'appendOutput',
      { runId: 'r1', attempt: 2, stream: 'stderr', offset: 4, token: 'claim' },
      'more',
    ],
    answer: { size: 8 },
  },
  'PUT /api/attempts/:runId/:attempt/artifacts/:name': {
    path: `/api/attempts/r1/2/artifacts/${encodeURIComponent('logs/é b.txt')}?sha256=${sha256}`,
    given: bytes('kept'),
    status: 204,
    asked: [
      'putArtifact',
      { runId: 'r1', attempt: 2, name: 'logs/é b.txt', token: 'claim', sha256 },
      'kept',
    ],
  },
  'PUT /api/bundles/:id': {
    path: `/api/bundles/${BUNDLE_ID}`,
    given: bytes('tar'),
    asked: ['putBundle', BUNDLE_ID, 'tar'],
    answer: { id: BUNDLE_ID, bytes: 3 },
  },
  'GET /api/bundles/:id': {
    path: `/api/bundles/${BUNDLE_ID}`,
    asked: ['openBundle', BUNDLE_ID],
    answer: 'abc',
  },
  'GET /runs/:id/outputs/:stream': {
    path: '/runs/r1/outputs/stdout',
    asked: ['openOutput', 'r1', 'stdout', outputOptions],
    answer: '0123456789',
  },
  'GET /api/runs/:id/outputs/:stream': {
    path: '/api/runs/r1/outputs/combined?attempt=2',
    asked: ['openOutput', 'r1', 'combined', { ...outputOptions, attempt: 2 }],
    answer: '0123456789',
  },
  'GET /api/runs/:id/outputs/:stream/times': {
    path: '/api/runs/r1/outputs/combined/times?attempt=2&from=3',
    asked: ['outputTimes', 'r1', 'combined', { attempt: 2, from: 3 }],
    answer: { marks: [[0, 1_000]] },
  },
  'GET /runs/:id/artifacts/*': {
    path: '/runs/r1/artifacts/logs/a%20b.txt',
    asked: ['openArtifact', 'r1', 'logs/a b.txt', undefined],
    answer: '<script>',
  },
  'GET /api/runs/:id/artifacts/*': {
    path: '/api/runs/r1/artifacts/a.txt?attempt=3',
    asked: ['openArtifact', 'r1', 'a.txt', 3],
    answer: '<script>',
  },
  'POST /api/messages': {
    path: '/api/messages',
    given: json({ topic: 't', msg: { a: [1] } }),
    asked: ['takeMessage', { topic: 't', msg: { a: [1] } }, anonymous],
    answer: { runs: ['r1'], matched: ['rule 1'], discarded: [] },
  },
  'POST /api/tokens': {
    path: '/api/tokens',
    given: json({ kind: 'user', name: 'me' }),
    status: 201,
    asked: ['createToken', { kind: 'user', name: 'me', scopes: ['read'] }, anonymous],
    answer: { id: 't1', token: 'secret' },
  },
  'GET /api/tokens': {
    path: '/api/tokens',
    asked: ['listTokens'],
    answer: [{ id: 't1', kind: 'user', name: 'me', scopes: ['read'] }],
  },
  'DELETE /api/tokens/:id': {
    path: '/api/tokens/t1',
    status: 204,
    asked: ['revokeToken', 't1', anonymous],
    answer: '',
  },
  'GET /api/backup': { path: '/api/backup', asked: ['openBackup'], answer: 'all of it' },
  'GET /api/runs/:id/events': {
    path: '/api/runs/r1/events?noise=1',
    asked: ['steps', 'r1', true],
    answer: [step],
  },
  'GET /api/runs/:id/next': {
    path: '/api/runs/r1/next?at=7',
    asked: ['next', 'r1', 7],
    answer: { runId: 'r1', seq: 1, state: 'PENDING.queued', events: [] },
  },
  'GET /api/runs/:id/export': { path: '/api/runs/r1/export', asked: ['exportRun', 'r1'] },
  'GET /api/cluster': { path: '/api/cluster?at=12', asked: ['cluster', 12], answer: cluster },
  'GET /api/machines': { path: '/api/machines', asked: ['machines'] },
  'GET /api/machines/:name': {
    path: '/api/machines/run',
    asked: ['machines'],
    answer: { name: 'run', chart, population: { NEW: 1 } },
  },
  'GET /api/actors': {
    path: '/api/actors',
    asked: ['actors'],
    answer: { actors: [], liveRuns: 0 },
  },
  'GET /api/messages': { path: '/api/messages?limit=5', asked: ['listMessages', 5], answer: [] },
  'GET /api/series': {
    path: '/api/series?stepMs=10000',
    asked: ['series', 10_000],
    answer: { stepMs: 1000, at: [], values: {} },
  },
  'GET /api/system': { path: '/api/system', asked: ['system'], answer: system },
  'POST /api/tickets': {
    path: '/api/tickets',
    given: { method: 'POST' },
    status: 201,
    asked: ['createTicket', anonymous],
    answer: { ticket: 'ryt_1', expiresAt: '2026-01-01T00:00:00.000Z' },
  },
  'GET /devtools/stately': { path: '/devtools/stately?run=r1&ticket=ryt_1' },
  'GET /devtools/stately.js': { path: '/devtools/stately.js' },
  'GET /devtools/stately.css': { path: '/devtools/stately.css' },
  'GET /metrics': { path: '/metrics', asked: ['metrics'], answer: 'runyard_runs 1\n' },
  'GET /livez': { path: '/livez', answer: { ok: true } },
  'GET /readyz': { path: '/readyz', answer: { ready: true, checks: { store: 'ok' } } },
  'GET /version': { path: '/version' },
  'GET /': { path: '/' },
  'GET /api/openapi.json': { path: '/api/openapi.json' },
};

const names = ROUTES.map(({ method, path }) => `${method} ${path}`);

test('every route has its case here, and no other', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(names.toSorted());
});

test.each(Object.entries(CASES))(
  '%s asks the master and answers as it did',
  async (name, given) => {
    open.asked.length = 0;
    const method = name.split(' ')[0]!;
    const answer = await open.ask(given.path, { method, ...given.given });
    expect([answer.status, answer.text]).toEqual([given.status ?? 200, expect.anything()]);
    if (given.asked) expect(open.asked.at(-1)).toEqual(given.asked);
    if (typeof given.answer === 'string') expect(answer.text).toBe(given.answer);
    else if (given.answer !== undefined) expect(JSON.parse(answer.text)).toEqual(given.answer);
  },
);

test('a search that stopped early says where to go on', async () => {
  const { headers } = await open.ask('/api/runs?scan=1');
  expect(headers['runyard-next']).toBe('r0');
});

const OPERATE = ['operate'];
const READ = ['read', 'slave'];
/** Who gets through besides an admin; by default it is who may read. */
const MAY: Record<string, string[]> = {
  'POST /api/runs': ['submit'],
  'POST /api/runs/:id/abort': ['abort'],
  'POST /api/runs/:id/hold': OPERATE,
  'POST /api/runs/:id/release': OPERATE,
  'POST /api/runs/:id/rerun': ['submit'],
  'POST /api/jobs': ['submit'],
  'POST /api/jobs/:id/abort': ['abort'],
  'POST /api/slaves/:name/drain': OPERATE,
  'POST /api/slaves/:name/resume': OPERATE,
  'POST /api/slaves/enrol': ['enrol'],
  'PUT /api/attempts/:runId/:attempt/outputs/:stream': ['slave'],
  'PUT /api/attempts/:runId/:attempt/artifacts/:name': ['slave'],
  'PUT /api/bundles/:id': ['submit'],
  'POST /api/messages': ['trigger'],
  'POST /api/tokens': [],
  'GET /api/backup': [],
  'GET /api/tokens': [],
  'DELETE /api/tokens/:id': [],
};
const BRIDGE = ['stately', 'stately.js', 'stately.css'].map((name) => `GET /devtools/${name}`);
const PUBLIC = [
  'GET /livez',
  'GET /readyz',
  'GET /version',
  'GET /',
  'GET /api/openapi.json',
  ...BRIDGE,
];
const everybody = [...SCOPES, 'slave', 'enrol'];

test.each(Object.entries(CASES))('%s lets in who may, and nobody else', async (name, given) => {
  const method = name.split(' ')[0]!;
  const through: string[] = [];
  for (const token of everybody) {
    guarded.asked.length = 0;
    const headers = { ...given.given?.headers, authorization: `Bearer ${token}` };
    const { status, code } = await guarded.ask(given.path, { method, ...given.given, headers });
    if (status < 300) through.push(token);
    else {
      expect([status, code]).toEqual([403, 'authz.scope']);
      expect(guarded.asked).toEqual([]);
    }
  }
  const isPublic = PUBLIC.includes(name);
  const may = isPublic ? everybody : ['admin', ...(MAY[name] ?? READ)];
  expect(through.toSorted()).toEqual(may.toSorted());
  const nobody = await guarded.ask(given.path, { method, ...given.given });
  expect([nobody.status < 300, nobody.code]).toEqual([
    isPublic,
    isPublic ? undefined : 'auth.missing',
  ]);
});

test('a refusal says what is needed and what the token has', async () => {
  const { text } = await guarded.ask('/api/runs', {
    method: 'POST',
    ...json({ argv: ['true'] }),
    headers: { authorization: 'Bearer read' },
  });
  expect(text).toContain(String.raw`needs submit, token \"read\" has read`);
});

test.each([
  ['GET', '/api/runs?stat=RUNNING', /unknown key "stat", did you mean "state"\?$/],
  [
    'GET',
    '/api/runs?xyzzy=1',
    /unknown key "xyzzy", known: state, slave, job, name, is, exit, ended, since, text, limit, scan, before$/,
  ],
  ['GET', '/api/runs?__proto__=1', /unknown key "__proto__"/],
  ['GET', '/api/slaves?state=ONLINE', /unknown key "state", nothing is expected here$/],
  ['GET', '/runs/r1/outputs/stdout?folow=1', /unknown key "folow", did you mean "follow"\?$/],
  ['HEAD', '/runs/r1/artifacts/a?atempt=1', undefined],
  ['POST', '/api/runs/r1/abort?why=x', /unknown key "why"/],
])('%s %s is refused, and asks nothing', async (method, path, text) => {
  open.asked.length = 0;
  const answer = await open.ask(path, { method });
  expect([answer.status, answer.headers['x-runyard-error']]).toEqual([400, 'input.invalid']);
  const { error } = method === 'HEAD' ? {} : (JSON.parse(answer.text) as ErrorAnswer);
  if (text) expect(`${error?.message}, ${error?.hint}`).toMatch(text);
  expect(open.asked).toEqual([]);
});

test('a probe may ask with a query of its own', async () => {
  expect((await open.ask('/livez?t=1')).status).toBe(200);
});

test('an array of requests is answered by an array, in order, in one call', async () => {
  open.asked.length = 0;
  const body = [{ argv: ['a'] }, { argv: ['b'], key: 'old' }];
  const answer = await open.ask('/api/runs', { method: 'POST', ...json(body) });
  expect(answer.status).toBe(201);
  expect(JSON.parse(answer.text)).toEqual([
    { runId: 'r1', created: true },
    { runId: 'r2', created: false },
  ]);
  expect(open.asked).toEqual([['submit', [['a'], ['b']], 'anonymous']]);
});

test('a submit that made nothing new is answered with 200', async () => {
  const body = { argv: ['a'], key: 'old' };
  const answer = await open.ask('/api/runs', { method: 'POST', ...json(body) });
  expect([answer.status, answer.text]).toEqual([200, '{"runId":"r1","created":false}']);
});

test('what was asked for is shown without the values of its environment', async () => {
  const { text } = await open.ask('/api/runs/r1/request');
  expect(JSON.parse(text)).toMatchObject({ argv: ['true'], env: { SECRET: '•••' } });
});

test('a master that is not ready says so with 503 and each check', async () => {
  const checks = { store: 'not writable', disk: 'ok' };
  const api = await startApi({ service: { readiness: async () => ({ ready: false, checks }) } });
  const answer = await api.ask('/readyz');
  expect([answer.status, JSON.parse(answer.text)]).toEqual([503, { ready: false, checks }]);
  await api.stop();
});

test('a bundle that is here answers HEAD with its size and no body', async () => {
  const answer = await open.ask(`/api/bundles/${BUNDLE_ID}`, { method: 'HEAD' });
  expect([answer.status, answer.headers['content-length'], answer.text]).toEqual([200, '3', '']);
  expect(open.asked.at(-1)).toEqual(['statBundle', BUNDLE_ID]);
});

test('metrics are text in the format that Prometheus reads', async () => {
  const { headers } = await open.ask('/metrics');
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
});

test('a moment of the yard is a number of an event or an instant, and nothing else', async () => {
  open.asked.length = 0;
  expect((await open.ask('/api/cluster?at=2026-01-01T00:00:00Z')).status).toBe(200);
  expect((await open.ask('/api/cluster')).status).toBe(200);
  expect(open.asked).toEqual([
    ['cluster', { wallMs: Date.UTC(2026, 0, 1) }],
    ['cluster', undefined],
  ]);
  for (const at of ['-1', 'yesterday', '2026-13-01T00:00:00Z']) {
    expect((await open.ask(`/api/cluster?at=${at}`)).code).toBe('input.invalid');
  }
});

test('an exported history reads as what it was written from', async () => {
  const { text, headers } = await open.ask('/api/runs/r1/export');
  expect(headers['content-disposition']).toBe('attachment; filename="run-r1.jsonl"');
  const { steps, ...rest } = readExport(text);
  expect(steps).toEqual([step]);
  expect(rest).toEqual({ run, chart, exportedAt: '2026-01-01T00:00:00.000Z' });
});

test('a machine that is not there is named with those that are', async () => {
  const { status, text } = await open.ask('/api/machines/rnu');
  expect([status, text]).toEqual([404, expect.stringContaining('known: run')]);
});

test('every file of routes is in the table', () => {
  const table = readFileSync(join(import.meta.dirname, 'routes.ts'), 'utf8');
  for (const file of readdirSync(join(import.meta.dirname, 'routes')))
    expect(table).toContain(file);
});

interface ErrorAnswer {
  error?: { message: string; hint?: string };
}
