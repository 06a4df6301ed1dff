import { once } from 'node:events';
import { Script } from 'node:vm';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { manualClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import type { InspectFrame, MasterService } from '../protocol/service.ts';
import { startApiForTest } from './api-fixture.ts';
import type { ApiFixture } from './api-fixture.ts';

const UPGRADE =
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
  'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

function knock(api: ApiFixture, query: string, headers: Record<string, string> = {}) {
  const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  return api.speak(`GET /inspect${query} HTTP/1.1\r\n${lines.join('')}${UPGRADE}`);
}

test.each([
  ['?ticket=ryt_1&since=-1', {}, 400, 'input.invalid'],
  ['?ticket=ryt_1&run=a%20b', {}, 400, 'input.invalid'],
  ['?tikcet=ryt_1', {}, 400, 'input.invalid'],
  ['?ticket=wrong', {}, 401, 'auth.ticket'],
  ['?ticket=', {}, 401, 'auth.ticket'],
  ['', {}, 401, 'auth.missing'],
  ['', { authorization: 'Bearer submit' }, 403, 'authz.scope'],
  ['?ticket=ryt_1', { origin: 'http://evil.example' }, 403, 'auth.origin'],
  ['?ticket=ryt_1', { host: 'evil.example' }, 403, 'auth.origin'],
])('an inspection of %j with %j is refused with %i %s', async (query, headers, status, code) => {
  const api = await startApiForTest({ open: false });
  const answer = await knock(api, query, headers);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*"${code.replace('.', '\\.')}"`, 's'));
});

test('a page of another origin uses no ticket up', async () => {
  const redeemed: string[] = [];
  const redeemTicket: MasterService['redeemTicket'] = async (ticket) => {
    redeemed.push(ticket);
    return { name: 'me', kind: 'user', scopes: ['read'] };
  };
  const api = await startApiForTest({ service: { redeemTicket } });
  await knock(api, '?ticket=ryt_1', { origin: 'http://evil.example' });
  expect(redeemed).toEqual([]);
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/inspect?ticket=ryt_1`);
  await once(socket, 'open');
  expect(redeemed).toEqual(['ryt_1']);
});

test('a run that is not there is refused before the socket opens', async () => {
  const getRun = async () => {
    throw new YardError('run.unknown', 'no run "r9"');
  };
  const api = await startApiForTest({ service: { getRun } });
  expect(await knock(api, '?run=r9')).toMatch(/^HTTP\/1\.1 404 .*run\.unknown/s);
});

/** An inspection whose frames a test makes. */
function makeInspection() {
  let tell: (frames: InspectFrame[]) => void | Promise<void> = () => {};
  let begun = () => {};
  const isOpen = new Promise<void>((resolve) => (begun = resolve));
  let stopped = () => {};
  const isOver = new Promise<void>((resolve) => (stopped = resolve));
  const inspect: MasterService['inspect'] = async (_, given) => {
    tell = given;
    begun();
    return { stop: () => stopped() };
  };
  return { inspect, isOpen, isOver, tell: (frames: InspectFrame[]) => tell(frames) };
}

test('each frame is one text message; what the past waits for is that it was sent', async () => {
  const inspection = makeInspection();
  const api = await startApiForTest({ service: { inspect: inspection.inspect } });
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/inspect`);
  const heard: unknown[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    heard.push(isBinary || (JSON.parse(data.toString()) as unknown));
  });
  await inspection.isOpen;
  await inspection.tell([{ type: 'a' }, { type: 'b', seq: 2 }]);
  await inspection.tell([]);
  const both = once(socket, 'message');
  await inspection.tell([{ type: 'c' }]);
  if (heard.length < 3) await both;
  expect(heard).toEqual([{ type: 'a' }, { type: 'b', seq: 2 }, { type: 'c' }]);
  socket.close();
  await inspection.isOver;
});

test('an inspector that lags 4 MiB behind is closed with 1013 and stops the inspection', async () => {
  const inspection = makeInspection();
  const api = await startApiForTest({ service: { inspect: inspection.inspect } });
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/inspect`);
  await once(socket, 'open');
  await inspection.isOpen;
  socket.pause();
  for (let i = 0; i < 40; i++) {
    void inspection.tell([{ type: 'x'.repeat(2 ** 20) }]);
    await new Promise(setImmediate);
  }
  const closed = once(socket, 'close');
  socket.resume();
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1013, 'limit.slow_consumer: resume by since']);
  await inspection.isOver;
});

test('each 15 seconds it is pinged', async () => {
  const clock = manualClock();
  const inspection = makeInspection();
  const api = await startApiForTest({ clock, service: { inspect: inspection.inspect } });
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/inspect`);
  await once(socket, 'open');
  await inspection.isOpen;
  const pinged = once(socket, 'ping');
  clock.advance(15_000);
  await pinged;
});

test('the bridge page runs no script but its own, and frames the Stately UI alone', async () => {
  const api = await startApiForTest({ open: false, statelyUi: 'http://127.0.0.1:1/ui?a="b"&c' });
  const page = await api.ask('/devtools/stately?run=r1');
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  const policy = String(page.headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(policy).toContain('frame-src http://127.0.0.1:1;');
  expect(policy).not.toContain('unsafe');
  expect(page.text).toContain('data-ui="http://127.0.0.1:1/ui?a=&quot;b&quot;&amp;c"');
  expect(page.text).not.toMatch(/<script>|style=|onload=/);
  const script = await api.ask('/devtools/stately.js');
  expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8');
  expect(() => new Script(script.text)).not.toThrow();
});
