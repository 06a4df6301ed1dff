import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { manualClock } from '../base/clock.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import { isDone } from '../protocol/run.ts';
import type { MasterService } from '../protocol/service.ts';
import { event, startApi, startApiForTest } from './api-fixture.ts';
import type { ApiFixture } from './api-fixture.ts';

/** Events as a master keeps and tells them. */
function makeEvents(past: HistoryEvent[] = []) {
  const watchers = new Set<(events: HistoryEvent[]) => void>();
  const changed = new Set<() => void>();
  const told = () => changed.forEach((callback) => callback());
  const watch: MasterService['watch'] = async (since, onEvents, { run, ends } = {}) => {
    const hear = (events: HistoryEvent[]) => {
      const wanted = events.filter(
        ({ runId, state }) => (run === undefined || run === runId) && (!ends || isDone(state)),
      );
      if (wanted.length > 0) onEvents(wanted);
    };
    watchers.add(hear);
    if (since !== undefined) hear(past.filter(({ seq }) => seq > since));
    told();
    return {
      stop: () => {
        watchers.delete(hear);
        told();
      },
    };
  };
  return {
    watch,
    add(...events: HistoryEvent[]) {
      past.push(...events);
      for (const watcher of watchers) watcher(events);
    },
    async untilWatchers(count: number) {
      while (watchers.size !== count) {
        await new Promise<void>((resolve) => {
          changed.add(resolve);
        });
      }
    },
  };
}

interface Frame {
  type: string;
  since?: number;
  events?: HistoryEvent[];
}

/** A watcher that keeps what it is told. */
async function open({ port }: ApiFixture, query = '', headers: Record<string, string> = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/watch${query}`, { headers });
  const frames: Frame[] = [];
  let wake = () => {};
  socket.on('message', (data: Buffer) => {
    frames.push(JSON.parse(data.toString()) as Frame);
    wake();
  });
  await once(socket, 'open');
  return {
    socket,
    async take(): Promise<Frame> {
      while (frames.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return frames.shift()!;
    },
  };
}

test('a watcher is greeted first, then told each event as it happens', async () => {
  const events = makeEvents([event(1)]);
  const watcher = await open(await startApiForTest({ service: { watch: events.watch } }));
  expect(await watcher.take()).toEqual({ type: 'hello' });
  events.add(event(2), event(3));
  expect(await watcher.take()).toEqual({ type: 'events', events: [event(2), event(3)] });
  watcher.socket.close();
  await events.untilWatchers(0);
});

test('with since it is greeted by that, and told what it missed', async () => {
  const events = makeEvents([event(1), event(2), event(3)]);
  const watcher = await open(
    await startApiForTest({ service: { watch: events.watch } }),
    '?since=1',
  );
  expect(await watcher.take()).toEqual({ type: 'hello', since: 1 });
  expect(await watcher.take()).toEqual({ type: 'events', events: [event(2), event(3)] });
});

test('with run it is told of that run alone', async () => {
  const events = makeEvents();
  const watcher = await open(
    await startApiForTest({ service: { watch: events.watch } }),
    '?run=r2',
  );
  await watcher.take();
  events.add(event(1), event(2, 'r2'));
  events.add(event(3));
  events.add(event(4, 'r2'));
  expect((await watcher.take()).events).toEqual([event(2, 'r2'), event(4, 'r2')]);
});

test('with ends=1 it is told of what ended, and of nothing else', async () => {
  const events = makeEvents();
  const watcher = await open(
    await startApiForTest({ service: { watch: events.watch } }),
    '?ends=1',
  );
  await watcher.take();
  events.add(event(1), { ...event(2), state: 'COMPLETE' });
  events.add(event(3));
  events.add({ ...event(4), state: 'FAILED' });
  expect((await watcher.take()).events!.map(({ seq }) => seq)).toEqual([2, 4]);
});

test.each([
  ['?since=-1', {}, 400, 'input.invalid'],
  ['?since=x', {}, 400, 'input.invalid'],
  ['?run=a%20b', {}, 400, 'input.invalid'],
  ['?ends=yes', {}, 400, 'input.invalid'],
  ['?sinse=1', {}, 400, 'input.invalid'],
  ['', { origin: 'http://evil.example' }, 403, 'auth.origin'],
  ['', { host: 'evil.example' }, 403, 'auth.origin'],
  ['?token=wrong', {}, 401, 'auth.invalid'],
  ['?token=submit', {}, 403, 'authz.scope'],
])('a watch of %j with %j is refused with %i %s', async (query, headers, status, code) => {
  const api = await startApiForTest();
  const upgrade =
    'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
    'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
  const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  const answer = await api.speak(`GET /api/watch${query} HTTP/1.1\r\n${lines.join('')}${upgrade}`);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*"${code.replace('.', '\\.')}"`, 's'));
});

test('a token is taken from the header or, as browsers have it, from the URL', async () => {
  const api = await startApiForTest({ open: false });
  for (const [query, headers] of [
    ['?token=read', {}],
    ['', { authorization: 'Bearer read' }],
  ] as const) {
    const watcher = await open(api, query, headers);
    expect(await watcher.take()).toEqual({ type: 'hello' });
  }
});

test('each 15 seconds it is pinged; who did not answer by the next is cut', async () => {
  const clock = manualClock();
  const events = makeEvents();
  const watcher = await open(await startApiForTest({ clock, service: { watch: events.watch } }));
  await watcher.take();
  const { socket } = watcher;
  for (let beat = 0; beat < 2; beat++) {
    const pinged = once(socket, 'ping');
    clock.advance(15_000);
    await pinged;
    // The master answers this only after it has read our answer to its own.
    const answered = once(socket, 'pong');
    socket.ping();
    await answered;
  }
  expect(socket.readyState).toBe(socket.OPEN);
  const cut = once(socket, 'close');
  socket.pause();
  clock.advance(15_000);
  clock.advance(15_000);
  await events.untilWatchers(0);
  socket.resume();
  await cut;
});

test('a watcher that lags 4 MiB behind is told to resume, and misses nothing by doing so', async () => {
  const events = makeEvents();
  const api = await startApiForTest({ service: { watch: events.watch } });
  const watcher = await open(api);
  await watcher.take();
  const seen: number[] = [];
  watcher.socket.on('message', (data: Buffer) => {
    seen.push(...(JSON.parse(data.toString()) as Frame).events!.map(({ seq }) => seq));
  });
  watcher.socket.pause();
  const fill = 'x'.repeat(2 ** 20);
  for (let seq = 1; seq <= 40; seq++) {
    events.add({ ...event(seq), detail: { fill } });
    // What comes within one turn is one frame.
    await new Promise(setImmediate);
  }
  const closed = once(watcher.socket, 'close');
  watcher.socket.resume();
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1013, 'limit.slow_consumer: resume by since']);
  expect(seen).toEqual(seen.map((_, index) => index + 1));
  expect(seen.length).toBeLessThan(40);
  await events.untilWatchers(0);
  const again = await open(api, `?since=${seen.length}`);
  await again.take();
  const rest = (await again.take()).events!.map(({ seq }) => seq);
  expect([...seen, ...rest]).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
});

test('a watcher that sends more than it needs to is cut', async () => {
  const watcher = await open(await startApiForTest());
  watcher.socket.send('x'.repeat(2_000));
  const [code] = (await once(watcher.socket, 'close')) as [number];
  expect(code).toBe(1009);
});

test('closing tells watchers that the master stops', async () => {
  const api = await startApi();
  const watcher = await open(api);
  const closed = once(watcher.socket, 'close');
  await api.stop();
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1001, 'master.stopping']);
});

test('closing waits for no watcher that does not answer', async () => {
  const clock = manualClock();
  const api = await startApi({ clock });
  const watcher = await open(api);
  watcher.socket.pause();
  const stopped = api.stop();
  clock.advance(2_000);
  await stopped;
  watcher.socket.terminate();
});

test('a watch that breaks in the master ends with 1011 and ends nothing else', async () => {
  const watch = async () => {
    throw new Error('a bug');
  };
  const api = await startApiForTest({ service: { watch } });
  const watcher = await open(api);
  const [code] = (await once(watcher.socket, 'close')) as [number];
  expect(code).toBe(1011);
  expect((await api.ask('/livez')).status).toBe(200);
});

test('upgrades that are nobody’s end by themselves, odd paths and resets end nothing', async () => {
  const clock = manualClock();
  const api = await startApiForTest({ clock });
  const upgrade =
    'HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  const arrived = once(api.api.server, 'upgrade');
  const unclaimed = api.speak(`GET // ${upgrade}`);
  await arrived;
  clock.advance(10_000);
  expect(await unclaimed).toBe('');
  for (const path of ['//', '/api/watch', 'http://[']) {
    const seen = once(api.api.server, 'upgrade');
    const socket = connect(api.port, '127.0.0.1', () => socket.write(`GET ${path} ${upgrade}`));
    socket.on('error', () => {});
    await seen;
    socket.resetAndDestroy();
  }
  expect((await api.ask('/livez')).status).toBe(200);
});
