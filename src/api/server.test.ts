import { once } from 'node:events';
import { request } from 'node:https';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { MasterService } from '../protocol/service.ts';
import { startApi } from './api-fixture.ts';
import type { ApiFixture } from './api-fixture.ts';
import { makeApi } from './server.ts';
import { certificate } from './certificate-fixture.ts';

let api: ApiFixture;
beforeAll(async () => void (api = await startApi()));
afterAll(() => api.stop());

async function post(path: string, body: unknown) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = { 'content-type': 'application/json' };
  const answer = await api.ask(path, { method: 'POST', headers, body: text });
  const { error } = JSON.parse(answer.text) as { error?: { code: string; message: string } };
  return [answer.status, `${error?.code}: ${error?.message}`] as const;
}

const formula = { file: '../up.yml', item: 'i', itemType: 't' };

test.each<[unknown, number, RegExp]>([
  [{}, 400, /^input\.invalid: give either argv or formula$/],
  [{ argv: [] }, 400, /^bundle\.argv: /],
  [{ argv: [''] }, 400, /^bundle\.argv: argv\.0: must not be empty$/],
  [{ argv: ['a\0'] }, 400, /^bundle\.argv: argv\.0: must not hold NUL$/],
  [{ argv: ['a'], env: { 'A=B': '' } }, 400, /^bundle\.env: name "A=B" is not one$/],
  [{ argv: ['a'], env: { LD_PRELOAD: '' } }, 400, /^bundle\.env: LD_PRELOAD is denied/],
  [{ argv: ['a'], env: { X: 'y'.repeat(65_536) } }, 400, /^bundle\.env: over 65536 bytes$/],
  [
    { formula, bundle: 'fs-x' },
    400,
    /^bundle\.task_file: must be a relative path inside the repository$/,
  ],
  [{ formula: { ...formula, file: 'a.yml' } }, 400, /^bundle\.ref: a formula needs the bundle/],
  [{ argv: ['a'], nonsense: 1 }, 400, /^input\.invalid: .*nonsense/],
  [[{ argv: ['a'] }, { argv: ['b'], priority: 1e9 }], 400, /^input\.invalid: 1\.priority: /],
  [[{ argv: ['a'] }, { argv: ['b'], env: { '': '' } }], 400, /^bundle\.env: 1\.env: name "" /],
  [[], 400, /^input\.invalid: /],
  [null, 400, /^input\.invalid: /],
  ['"text"', 400, /^input\.invalid: /],
  ['{"argv": [}', 400, /^input\.json: .*JSON/],
  ['{"argv":["a"],"env":{"__proto__":{"x":1}}}', 400, /^input\.json: no key may be "__proto__"/],
  [`{"argv":["${'x'.repeat(33 * 2 ** 20)}"]}`, 413, /^input\.too_large: the body is over 32 MiB$/],
])('bad submit %# is refused with its code and reaches no master', async (body, status, text) => {
  api.asked.length = 0;
  const [got, message] = await post('/api/runs', body);
  expect(message).toMatch(text);
  expect(got).toBe(status);
  expect(api.asked).toEqual([]);
});

test('who sends too much hears of it, however slowly it is sent', async () => {
  const bytes = 33 * 2 ** 20;
  const socket = connect(api.port, '127.0.0.1');
  const heads = ['POST /api/runs HTTP/1.1', 'host: 127.0.0.1', `content-length: ${bytes}`];
  socket.write(`${heads.join('\r\n')}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);

  for (let sent = 0; sent < bytes; sent += 2 ** 20) {
    await new Promise<void>((resolve, reject) => {
      socket.write(Buffer.alloc(2 ** 20), (error) => (error ? reject(error) : resolve()));
    });
  }
  socket.write('GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
  const [next] = (await once(socket, 'data')) as [Buffer];
  expect(next.toString()).toMatch(/^HTTP\/1\.1 200 /);
  socket.destroy();
});

test('all that is wrong is said at once, each with its place', async () => {
  const [status, message] = await post('/api/runs', {
    argv: ['a'],
    env: { GIT_DIR: '' },
    priority: 'high',
    retries: -1,
  });
  expect(status).toBe(400);
  expect(message).toMatch(/^input\.invalid: env: GIT_DIR is denied.*; priority: .*; retries: /);
});

test('of ten thousand faults twenty are told', async () => {
  const [, message] = await post(
    '/api/runs',
    Array.from({ length: 5000 }, () => ({ priority: 'x', retries: 'y' })),
  );
  expect(message.split('; ')).toHaveLength(21);
  expect(message).toMatch(/; and 9980 more$/);
});

test('a run of a job is named by its place in the job', async () => {
  const runs = [{ argv: ['a'] }, { argv: ['b'], env: { 'A=B': '' } }];
  const [, message] = await post('/api/jobs', { runs });
  expect(message).toBe('bundle.env: runs.1.env: name "A=B" is not one');
});

test("a stranger's text comes back cut, and without what steers terminals", async () => {
  const [, message] = await post('/api/runs', {
    argv: ['a'],
    [`\u001b]0;x\u0007\u202e${'k'.repeat(500)}`]: 1,
  });
  expect(message).toMatch(/\\u001b.*\\u0007\\u202e/);
  // oxlint-disable-next-line no-control-regex
  expect(message).not.toMatch(/[\u0000-\u001f\u202e]/);
  expect(message.length).toBeLessThan(400);
});

test.each([
  ['GET', '/api/runs?limit=0', 400, 'input.invalid'],
  ['GET', '/api/runs?limit=many', 400, 'input.invalid'],
  ['GET', '/api/runs?state=ASLEEP', 400, 'input.invalid'],
  ['GET', '/api/runs?before=..', 400, 'input.invalid'],
  ['GET', '/api/runs/r1/wait?ms=-1', 400, 'input.invalid'],
  ['GET', '/api/runs/r1/wait?ms=600001', 400, 'input.invalid'],
  ['POST', '/api/slaves/s1/drain', 400, 'input.invalid'],
  ['GET', '/api/runs/a%20b', 400, 'ref.invalid'],
  ['GET', `/api/runs/${'a'.repeat(65)}`, 400, 'ref.invalid'],
  ['GET', '/api/runs/..%2f..%2fetc', 400, 'ref.invalid'],
  ['GET', '/api/runs/%2e%2e', 400, 'ref.invalid'],
  ['GET', '/api/runs/../../etc/passwd', 400, 'ref.invalid'],
  ['GET', '/api/runs/a%00b', 400, 'ref.invalid'],
  ['GET', '/api/runs/%zz', 400, 'ref.invalid'],
  ['GET', '/api/slaves/a%5cb', 400, 'ref.invalid'],
  ['GET', '/runs/..%2f..%2fetc/outputs/stdout', 400, 'ref.invalid'],
  ['GET', '/runs/r1/outputs/..%2f..%2fRUNYARD', 400, 'ref.invalid'],
  ['GET', '/runs/..%2f/artifacts/a', 400, 'ref.invalid'],
  ['GET', '/runs/r1/artifacts/..%2f..%2fetc%2fpasswd', 400, 'ref.invalid'],
  ['GET', '/runs/r1/artifacts/a//b', 400, 'ref.invalid'],
  ['GET', '/runs/r1/artifacts/a%00b', 400, 'ref.invalid'],
  ['GET', '/runs/r1/artifacts/', 404, 'route.unknown'],
  ['GET', '/api/bundles/fs-12', 400, 'bundle.ref'],
  ['GET', '/runs/r1/outputs/nosuch', 404, 'output.unknown'],
  ['GET', '/runs/r1/outputs/stdout?attempt=0', 400, 'input.invalid'],
  ['GET', '/nowhere', 404, 'route.unknown'],
  ['GET', '/api', 404, 'route.unknown'],
  ['DELETE', '/api/runs/r1', 404, 'route.unknown'],
  ['PATCH', '/api/runs', 404, 'route.unknown'],
])('%s %s is %i %s and reaches no master', async (method, path, status, code) => {
  api.asked.length = 0;
  const answer = await api.ask(path, { method });
  expect([answer.status, answer.code, answer.headers['x-runyard-error']]).toEqual([
    status,
    code,
    code,
  ]);
  expect(api.asked).toEqual([]);
});

test.each([
  ['run.unknown', 404],
  ['output.expired', 410],
  ['output.range', 416],
  ['hold.too_late', 409],
  ['store.full', 503],
  ['limit.runs', 429],
])("the master's %s is answered with %i, its message and its hint", async (code, status) => {
  const getRun = async () => {
    throw new YardError(code, 'so it is', { hint: 'do this' });
  };
  const failing = await startApi({ service: { getRun } });
  const answer = await failing.ask('/api/runs/r1');
  expect([answer.status, JSON.parse(answer.text)]).toEqual([
    status,
    { error: { code, message: 'so it is', hint: 'do this' } },
  ]);
  await failing.stop();
});

test('a bug in a route is logged, told without its details, and ends nothing', async () => {
  const error = vi.fn();
  const getRun = async () => {
    throw new TypeError('password 1234 is undefined');
  };
  const failing = await startApi({ service: { getRun }, log: { ...silentLog, error } });
  const answer = await failing.ask('/api/runs/r1');
  expect([answer.status, answer.code]).toEqual([500, 'internal.handler']);
  expect(answer.text).not.toContain('1234');
  expect(error).toHaveBeenCalledOnce();
  expect(JSON.stringify(error.mock.calls)).toContain('GET /api/runs/:id');
  expect((await failing.ask('/livez')).status).toBe(200);
  await failing.stop();
});

test('what is not HTTP is answered with 400 and ends nothing', async () => {
  expect(await api.speak('\x16\x03\x01 hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  expect((await api.ask('/livez')).status).toBe(200);
});

test('nobody may guess a type: every answer says nosniff', async () => {
  for (const path of ['/', '/livez', '/api/runs', '/nowhere', '/runs/r1/outputs/stdout']) {
    expect((await api.ask(path)).headers['x-content-type-options']).toBe('nosniff');
  }
});

test('five thousand requests are parsed and answered in one call', async () => {
  const body = Array.from({ length: 5000 }, (_, index) => ({ argv: ['echo', `${index}`] }));
  const [status] = await post('/api/runs', body);
  expect(status).toBe(201);
  expect(await post('/api/runs', [...body, { argv: ['a'] }])).toMatchObject([
    400,
    expect.stringMatching(/^input\.invalid/),
  ]);
});

test('a port that is taken is named, with what to do', async () => {
  const other = makeApi({ service: {} as MasterService, log: silentLog, clock: systemClock });
  await expect(other.listen('127.0.0.1', api.port)).rejects.toThrow(
    `net.listen: "127.0.0.1" port ${api.port}: somebody listens there already, is a master running`,
  );
  await expect(other.listen('192.0.2.1', 0)).rejects.toThrow(/^net\.listen: "192\.0\.2\.1"/);
  await other.close();
});

test('others may listen to upgrades of the same server before it listens', async () => {
  const mine = await startApi();
  mine.api.server.on('upgrade', (incoming, socket) => {
    if (incoming.url === '/other') socket.end('HTTP/1.1 101 Mine\r\n\r\n');
  });
  const upgrade = 'host: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n';
  expect(await mine.speak(`GET /other HTTP/1.1\r\n${upgrade}`)).toBe('HTTP/1.1 101 Mine\r\n\r\n');
  await mine.stop();
});

test('closing ends a request that waits, and the port is free again', async () => {
  let entered = () => {};
  const waiting = new Promise<void>((resolve) => (entered = resolve));
  const waitRun: MasterService['waitRun'] = (_id, _ms, signal) => {
    entered();
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('gone')));
    });
  };
  const closing = await startApi({ service: { waitRun } });
  const asking = closing.ask('/api/runs/r1/wait').catch(() => 'cut');
  await waiting;
  await closing.stop();
  expect(await asking).toBe('cut');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(closing.port, '127.0.0.1', resolve));
  server.close();
});

test('with a certificate it speaks TLS and nothing else', async () => {
  const service = {} as MasterService;
  const tls = makeApi({ service, log: silentLog, clock: systemClock, tls: certificate });
  const { url } = await tls.listen('127.0.0.1', 0);
  expect(url).toMatch(/^https:/);
  const text = await new Promise<string>((resolve, reject) => {
    request(`${url}/livez`, { ca: certificate.cert }, (response) => {
      response.on('data', (chunk: Buffer) => resolve(chunk.toString()));
    })
      .on('error', reject)
      .end();
  });
  expect(text).toBe('{"ok":true}');
  await expect(fetch(url.replace('https', 'http'))).rejects.toThrow('fetch failed');
  await tls.close();
});
