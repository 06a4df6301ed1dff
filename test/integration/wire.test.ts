import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { YardError } from '../../src/base/errors.ts';
import {
  CONNECT,
  echo,
  joinedSlave,
  rawSlave,
  residentBytes,
  slaveOf,
  startMaster,
} from './wire-kit.ts';
import { until } from '../kit/until.ts';
import type { Message, WireMaster } from './wire-kit.ts';

let master: WireMaster;
const stops: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  master = await start();
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

test('frames go both ways, in order, with what they held', async () => {
  const slave = await slaveOf(master.url).connect();
  const heard: Message[] = [];
  const all = new Promise<void>((resolve) => {
    slave.onMessages((messages) => {
      heard.push(...messages);
      if (heard.length === 300) resolve();
    });
  });
  const sent = Array.from({ length: 300 }, (_, n) => ({ n, text: `t${n}` }));
  for (let at = 0; at < 300; at += 3) slave.send(sent.slice(at, at + 3));
  await all;

  expect(heard).toEqual(sent);
});

test('a batch over the limits of a frame arrives whole, as several frames', async () => {
  const slave = await slaveOf(master.url).connect();
  const sent = Array.from({ length: 4_000 }, (_, n) => ({ n, text: 'x'.repeat(200) }));
  const frames: Message[][] = [];
  slave.onMessages((messages) => frames.push(messages));
  slave.send(sent);
  await until(() => frames.flat().length === sent.length);

  expect(frames.length).toBeGreaterThan(2);
  expect(frames.flat()).toEqual(sent);
});

test('what the master sends in the turn of the welcome is not lost to a slave that listens later', async () => {
  master.onConnection = (connection) => connection.send([{ n: 1 }]);
  const slave = await slaveOf(master.url).connect();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const first = await new Promise<Message[]>((resolve) => slave.onMessages(resolve));

  expect(first).toEqual([{ n: 1 }]);
});

test('the last frame before a close is heard by the other side, and so is the reason', async () => {
  const heard: Message[] = [];
  master.onConnection = (connection) => connection.onMessages((got) => void heard.push(...got));
  const slave = await slaveOf(master.url).connect();
  slave.send([{ n: 1 }]);
  slave.send([{ n: 2 }]);
  slave.close('slave.leaving: drained');
  await until(() => master.ended.size === 1);

  expect(heard).toEqual([{ n: 1 }, { n: 2 }]);
  expect([...master.ended.values()]).toEqual(['slave.leaving: drained']);
});

test('the slave learns why the master ends its connection', async () => {
  const slave = await slaveOf(master.url).connect();
  const reason = new Promise<string>((resolve) => slave.onClose(resolve));
  master.connections[0]!.close('auth.revoked: token of slave s7');

  expect(await reason).toBe('auth.revoked: token of slave s7');
  expect([...master.ended.values()]).toEqual(['auth.revoked: token of slave s7']);
});

test('a cut without a word is told as such on both sides', async () => {
  const raw = await joinedSlave(master.port);
  raw.socket.terminate();
  await until(() => master.ended.size === 1);

  expect([...master.ended.values()][0]).toMatch(/^net\.closed: /);
});

test('a master that closes tells all slaves, and takes no more', async () => {
  const slave = await slaveOf(master.url).connect();
  const reason = new Promise<string>((resolve) => slave.onClose(resolve));
  await master.listener.close('master.draining: back soon');

  expect(await reason).toBe('master.draining: back soon');
  await expect(slaveOf(master.url).connect()).rejects.toThrow('master.draining: back soon');
});

test('each code of a refusal reaches the slave', async () => {
  await expect(slaveOf(master.url, 'wrong').connect()).rejects.toMatchObject({
    name: 'YardError',
    code: 'auth.missing',
    hint: 'enrol',
  });
  expect(master.counters).toEqual(new Map([['auth.missing', 1]]));
  expect(master.connections).toEqual([]);
});

test('a check of credentials that fails lets nobody in, and tells no secret', async () => {
  const failing = await start({ authorize: () => Promise.reject(new Error('disk of secrets')) });
  const refusal = await slaveOf(failing.url)
    .connect()
    .catch((error: unknown) => error);

  expect(refusal).toMatchObject({ code: 'internal.handler' });
  expect(String(refusal)).not.toContain('secrets');
});

test('a token may come in a header instead', async () => {
  const raw = await rawSlave(master.port, { authorization: 'Bearer t' });
  raw.send([0, '/slaves']);

  expect(await raw.packet()).toMatchObject([0, '/slaves', { sid: expect.any(String) }]);
});

test('a port where nobody listens is unreachable', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');

  const attempt = slaveOf(`http://127.0.0.1:${port}`).connect();
  await expect(attempt).rejects.toMatchObject({ code: 'net.unreachable' });
  await expect(attempt).rejects.toThrow('ECONNREFUSED');
});

test('a server that is no master is not taken for one', async () => {
  const server = createServer((_, response) => response.writeHead(200).end('<html>hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(async () => server.close());
  const { port } = server.address() as AddressInfo;

  await expect(slaveOf(`http://127.0.0.1:${port}`).connect()).rejects.toMatchObject({
    code: 'net.refused',
  });
});

test('a server that never answers is given up', async () => {
  const server = createServer();
  server.on('upgrade', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(async () => server.close());
  const { port } = server.address() as AddressInfo;
  const attempt = slaveOf(`http://127.0.0.1:${port}`, 't', new Map(), 200).connect();

  await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(/^net\./) });
});

test.each(['localhost:7070', 'ftp://localhost', 'nonsense'])(
  '%s is not the URL of a master',
  (url) => {
    expect(() => slaveOf(url)).toThrow(YardError);
  },
);

test('a frame that a lost master never read does not reach the next one', async () => {
  const address = slaveOf(master.url);
  const first = await address.connect();
  const over = new Promise<string>((resolve) => first.onClose(resolve));
  await master.stop();
  await over;
  first.send([{ n: 99 }]);

  const heard: Message[] = [];
  const next = await start();
  next.onConnection = (connection) => connection.onMessages((got) => void heard.push(...got));
  const second = await slaveOf(next.url).connect();
  first.send([{ n: 99 }]);
  second.send([{ n: 1 }]);
  await until(() => heard.length > 0);

  expect(heard).toEqual([{ n: 1 }]);
});

test('unknown keys of a stranger never reach the handler, and are counted', async () => {
  const heard: unknown[] = [];
  master.onConnection = (connection) => connection.onMessages((got) => void heard.push(...got));
  const raw = await joinedSlave(master.port);
  raw.send([2, '/slaves', ['m', [{ n: 1, admin: true, __proto_: 1 }]]]);
  await until(() => heard.length > 0);

  expect(heard).toEqual([{ n: 1 }]);
  expect(master.counters.get('message.unknown_key')).toBe(2);
});

test('an invalid message ends its connection with the reason, and no other connection', async () => {
  const bystander = await slaveOf(master.url).connect();
  const raw = await joinedSlave(master.port);
  raw.send([2, '/slaves', ['m', [{ n: 'one' }]]]);

  expect(await raw.packet()).toEqual([
    2,
    '/slaves',
    ['m', expect.stringMatching(/^message\.invalid: /)],
  ]);
  await raw.closed;
  expect(master.counters.get('message.invalid')).toBe(1);
  await echo(bystander, 5);
});

test.each<[string, () => unknown]>([
  [
    'throws',
    () => {
      throw new Error('a bug');
    },
  ],
  ['rejects', () => Promise.reject(new Error('a bug'))],
  ['calls what is no function', () => (undefined as unknown as () => void)()],
])('a handler that %s ends its connection alone', async (_how, fails) => {
  const bystander = await slaveOf(master.url).connect();
  for (const where of ['connection', 'messages', 'close'] as const) {
    master.onConnection = (connection) => {
      if (where === 'connection') return fails() as void;
      if (where === 'messages') return connection.onMessages(fails as () => void);
      connection.onClose(fails as () => void);
    };
    const slave = await slaveOf(master.url).connect();
    const over = new Promise<string>((resolve) => slave.onClose(resolve));
    slave.send([{ n: 1 }]);
    if (where === 'close') slave.close('run.done: bye');
    else expect(await over).toMatch(/^internal\.handler: /);
  }
  await until(() => master.counters.get('internal.handler') === 3);

  await echo(bystander, 6);
});

test('a slave that stops reading is cut off before it costs much memory', async () => {
  const bystander = await slaveOf(master.url).connect();
  const raw = await joinedSlave(master.port);
  const [connection] = master.connections.slice(-1);
  raw.socket.pause();
  const before = residentBytes();
  let peak = 0;
  for (let sent = 0; sent < 120_000 && !master.ended.has(connection!.id); sent += 100) {
    for (let n = 0; n < 100; n++) connection!.send([{ n, text: 'x'.repeat(1_000) }]);
    await new Promise((resolve) => setImmediate(resolve));
    peak = Math.max(peak, process.memoryUsage().rss);
  }

  expect(master.ended.get(connection!.id)).toMatch(/^limit\.slow_consumer: over 8\.0 MiB/);
  expect(master.counters.get('limit.slow_consumer')).toBe(1);
  expect(peak - before).toBeLessThan(80 * 2 ** 20);
  raw.socket.resume();
  expect(await raw.closed).toBe(1006);
  await echo(bystander, 7);
});

test('a flood of frames ends its connection, and a fair pace does not', async () => {
  const bystander = await slaveOf(master.url).connect();
  const raw = await joinedSlave(master.port);
  for (let n = 0; n < 900; n++) raw.send([2, '/slaves', ['m', [{ n }]]]);
  for (let n = 0; n < 900; n++) await raw.packet();
  expect(master.counters.get('limit.rate')).toBeUndefined();

  for (let n = 0; n < 2_000; n++) raw.send([2, '/slaves', ['m', [{ n }]]]);
  await until(() => master.counters.get('limit.rate') === 1);
  expect([...master.ended.values()]).toEqual([expect.stringMatching(/^limit\.rate: /)]);
  await echo(bystander, 8);
  await raw.closed;
});

test('a flood of bytes ends its connection', async () => {
  const slow = await start({ rate: { framesPerSecond: 200, bytesPerSecond: 20_000 } });
  const raw = await joinedSlave(slow.port);
  raw.send([2, '/slaves', ['m', [{ n: 1, text: 'x'.repeat(120_000) }]]]);
  await until(() => slow.counters.get('limit.rate') === 1);
  await raw.closed;

  expect(slow.connections).toHaveLength(1);
});

test.each<[string, (socket: WebSocket) => void]>([
  ['pings', (socket) => socket.ping('x')],
  ['pongs that nobody asked for', (socket) => socket.send('3')],
])('a flood of %s ends the socket before it was even let in', async (_what, flood) => {
  const raw = await rawSlave(master.port);
  for (let n = 0; n < 3_000; n++) flood(raw.socket);
  await until(() => master.counters.get('limit.rate') === 1);
  await raw.closed;
});

test('the options that a slave can see are the fixed ones', async () => {
  const raw = await rawSlave(master.port);

  expect(raw.open).toMatchObject({
    upgrades: [],
    pingInterval: 10_000,
    pingTimeout: 20_000,
    maxPayload: 262_144,
  });
  expect(raw.socket.extensions).toBe('');
  raw.socket.close();
});

test('compression is not agreed to, even when asked for', async () => {
  const url = `ws://127.0.0.1:${master.port}/socket.io/?EIO=4&transport=websocket`;
  const socket = new WebSocket(url, { perMessageDeflate: true });
  await once(socket, 'open');

  expect(socket.extensions).toBe('');
  socket.terminate();
});

test('polling is refused', async () => {
  const answer = await fetch(`${master.url}/socket.io/?EIO=4&transport=polling`);

  expect(answer.status).toBe(400);
  expect(await answer.json()).toEqual({ code: 0, message: 'Transport unknown' });
  expect(master.counters.get('proto.transport')).toBe(1);
});

test('the client of socket.io is not served', async () => {
  const answer = await fetch(`${master.url}/socket.io/socket.io.js`);

  expect(answer.status).toBe(400);
});

test('an older protocol of the transport is refused', async () => {
  const socket = new WebSocket(
    `ws://127.0.0.1:${master.port}/socket.io/?EIO=3&transport=websocket`,
  );
  socket.on('error', () => {});
  await new Promise((resolve) => socket.on('close', resolve));

  expect(master.counters.get('proto.engine')).toBe(1);
});

test.each([
  ['http://evil.example', 'refused'],
  ['null', 'refused'],
  ['file://', 'refused'],
  ['http://127.0.0.1:1', 'refused'],
  ['not a url', 'refused'],
  ['OURS', 'let through'],
])('a page of origin %s is %s', async (origin, expected) => {
  const headers = { origin: origin === 'OURS' ? master.url : origin };
  const outcome = await rawSlave(master.port, headers).then(
    (raw) => raw.socket.terminate(),
    (error: Error) => error.message,
  );

  if (expected === 'refused') expect(outcome).toBe('Unexpected server response: 400');
  else expect(outcome).toBeUndefined();
  expect(master.counters.get('auth.origin')).toBe(expected === 'refused' ? 1 : undefined);
});

test('a frame over 256 KiB closes its socket with 1009', async () => {
  const raw = await joinedSlave(master.port);
  raw.send(new Uint8Array(262_145));

  expect(await raw.closed).toBe(1009);
  expect(master.counters.get('frame.too_large')).toBe(1);
  expect([...master.ended.values()]).toEqual(['frame.too_large: over 262144 bytes']);
});

test('neither silence nor credentials that take for ever keep a socket open', async () => {
  const stuck = await start({ authorize: () => new Promise(() => {}) });
  const [silent, waiting] = await Promise.all([rawSlave(master.port), rawSlave(stuck.port)]);
  waiting.send(CONNECT);
  await Promise.all([silent.closed, waiting.closed]);

  expect(master.counters.get('net.handshake')).toBe(1);
  expect(stuck.connections).toEqual([]);
});

test('messages before the welcome are not heard, even of one who will be let in', async () => {
  const raw = await rawSlave(master.port);
  raw.send(CONNECT, [2, '/slaves', ['m', [{ n: 1 }]]]);
  await raw.closed;

  expect(master.connections).toEqual([]);
});

test('fifteen hundred headers do no harm', async () => {
  const socket = connectTcp(master.port, '127.0.0.1');
  const upgrade = [
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const many = Array.from({ length: 1_500 }, (_, n) => `x${n}: 1`);
  socket.write([...upgrade, ...many, '', ''].join('\r\n'));
  const [answer] = (await once(socket, 'data')) as [Buffer];

  // Node 20 lets as many pass; later ones refuse a thousand or more, before we are asked.
  expect(String(answer)).toMatch(/^HTTP\/1\.1 (101|431) /);
  await echo(await slaveOf(master.url).connect(), 9);
  socket.destroy();
});

test('another path on the same server keeps its own upgrades', async () => {
  const http = createServer();
  const watchers = new WebSocketServer({ noServer: true });
  const own = await start({}, http);
  http.on('upgrade', (request, socket, head) => {
    if (request.url !== '/watch') return;
    watchers.handleUpgrade(request, socket, head, (ws) => ws.send('hello watcher'));
  });
  const socket = new WebSocket(`ws://127.0.0.1:${own.port}/watch`);
  const [data] = (await once(socket, 'message')) as [Buffer];

  expect(String(data)).toBe('hello watcher');
  await echo(await slaveOf(own.url).connect(), 10);
  socket.terminate();
});

async function start(...args: Parameters<typeof startMaster>): Promise<WireMaster> {
  const started = await startMaster(...args);
  stops.push(() => started.stop());
  return started;
}
