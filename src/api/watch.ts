/** Events for watchers, over a plain WebSocket at /api/watch?since=SEQ&run=ID&ends=1. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../base/clock.ts';
import { YardError, httpStatusOf, isYardError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { WATCH_PATH } from '../protocol/http.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import { runId } from '../protocol/run.ts';
import type { MasterService, WatchFilter } from '../protocol/service.ts';
import { cutLater } from '../protocol/websocket.ts';
import type { Gate } from './gate.ts';
import { checkQuery } from './input.ts';

const PING_MS = 15_000;
const LAG_BYTES_MAX = 4 * 2 ** 20;
/** In one frame, unless more come at once. */
const EVENTS_TOGETHER = 1000;
/** How long an upgrade may wait for somebody who knows its path. */
const UNCLAIMED_MS = 10_000;

export interface WatchOptions {
  service: MasterService;
  gate: Gate;
  clock: Clock;
  log: Log;
}

/** What a watcher asked for in its URL. */
interface Wanted extends WatchFilter {
  since: number | undefined;
}

export function attachWatch(server: Server, options: WatchOptions): { close: () => void } {
  const { gate, clock, log } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 });

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let wanted: Wanted;
    try {
      await gate.admit(request, 'read');
      wanted = wantedOf(request);
    } catch (error) {
      if (!isYardError(error)) log.error({ err: messageOf(error) }, 'internal.handler: an upgrade');
      return refuse(socket, isYardError(error) ? error : new YardError('internal.handler', ''));
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      serve(client, wanted, options).catch((error: unknown) => {
        log.error({ err: messageOf(error) }, 'internal.handler: a watch failed');
        client.close(1011, 'internal.handler');
      });
    });
  }

  server.on('upgrade', (request, socket, head) => {
    // Nobody else listens while it is nobody's, and one reset would end the process.
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?')[0] === WATCH_PATH) return void upgrade(request, socket, head);
    // Others serve other paths here; what none of them answers must not stay open for ever.
    const timer = clock.setTimeout(() => {
      if ((socket as { bytesWritten?: number }).bytesWritten === 0) socket.destroy();
    }, UNCLAIMED_MS);
    socket.once('close', () => timer.cancel());
  });

  return {
    close() {
      for (const client of sockets.clients) {
        client.close(1001, 'master.stopping');
        cutLater(client, clock);
      }
      sockets.close();
    },
  };
}

/** The token is the gate's to read. */
const WATCH_KEYS = ['since', 'run', 'ends', 'token'];

function wantedOf({ url = '' }: IncomingMessage): Wanted {
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  checkQuery(query.keys(), WATCH_KEYS);
  const since = query.get('since');
  const run = query.get('run');
  if (since !== null && !/^\d{1,15}$/.test(since)) {
    throw new YardError('input.invalid', 'since: the number of an event');
  }
  if (run !== null && !runId.safeParse(run).success) {
    throw new YardError('input.invalid', 'run: the id of a run');
  }
  if (!['0', '1'].includes(query.get('ends') ?? '0')) {
    throw new YardError('input.invalid', 'ends: 0 or 1');
  }
  return {
    since: since === null ? undefined : Number(since),
    run: run ?? undefined,
    ends: query.get('ends') === '1',
  };
}

function refuse(socket: Duplex, error: YardError): void {
  const body = JSON.stringify({ error });
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${httpStatusOf(error.code)} Refused\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

async function serve(
  client: WebSocket,
  { since, ...filter }: Wanted,
  { service, clock }: WatchOptions,
): Promise<void> {
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.on('error', () => client.terminate());
  const stopPings = pingAlong(client, clock);
  let greeted = false;
  let gathered: HistoryEvent[] = [];

  function send(frame: object): void {
    if (client.readyState !== client.OPEN) return;
    if (client.bufferedAmount > LAG_BYTES_MAX) {
      client.close(1013, 'limit.slow_consumer: resume by since');
      return;
    }
    client.send(JSON.stringify(frame));
  }

  function greet(): void {
    if (greeted) return;
    greeted = true;
    send(since === undefined ? { type: 'hello' } : { type: 'hello', since });
  }

  /** What one synced write brought is told as one: a frame costs more than most of its events. */
  function hear(events: HistoryEvent[]): void {
    greet();
    if (gathered.length === 0) clock.soon(tell);
    for (const event of events) gathered.push(event);
    if (gathered.length >= EVENTS_TOGETHER) tell();
  }

  function tell(): void {
    if (gathered.length === 0) return;
    const events = gathered;
    gathered = [];
    send({ type: 'events', events });
  }

  try {
    const watcher = await service.watch(since, hear, filter);
    // Who was greeted misses nothing from here on.
    greet();
    await ended;
    watcher.stop();
  } finally {
    stopPings();
  }
}

function pingAlong(client: WebSocket, clock: Clock): () => void {
  let timer: Timer | undefined;
  let answered = true;
  client.on('pong', () => void (answered = true));
  const beat = () => {
    timer = clock.setTimeout(() => {
      if (!answered) return client.terminate();
      answered = false;
      client.ping();
      beat();
    }, PING_MS);
  };
  beat();
  return () => timer?.cancel();
}
