/** Events for watchers, over a plain WebSocket at /api/watch?since=SEQ&run=ID&ends=1. */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { WATCH_PATH } from '../protocol/http.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import type { MasterService, WatchFilter } from '../protocol/service.ts';
import type { Gate } from './gate.ts';
import { checkQuery, followedOf } from './input.ts';
import { LAG_BYTES_MAX } from './sockets.ts';
import type { SocketPath } from './sockets.ts';

/** In one frame, unless more come at once. */
const EVENTS_TOGETHER = 1000;

export interface WatchOptions {
  service: MasterService;
  gate: Gate;
  clock: Clock;
}

/** What a watcher asked for in its URL. */
interface Wanted extends WatchFilter {
  since: number | undefined;
}

export function watchSocket({ service, gate, clock }: WatchOptions): SocketPath {
  return {
    path: WATCH_PATH,
    async admit(request) {
      await gate.admit(request, 'read');
      const wanted = wantedOf(request);
      return (client) => serve(client, wanted, { service, clock });
    },
  };
}

/** The token is the gate's to read. */
const WATCH_KEYS = ['since', 'run', 'ends', 'token'];

function wantedOf({ url = '' }: IncomingMessage): Wanted {
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  checkQuery(query.keys(), WATCH_KEYS);
  if (!['0', '1'].includes(query.get('ends') ?? '0')) {
    throw new YardError('input.invalid', 'ends: 0 or 1');
  }
  return {
    ...followedOf(query),
    ends: query.get('ends') === '1',
  };
}

async function serve(
  client: WebSocket,
  { since, ...filter }: Wanted,
  { service, clock }: Pick<WatchOptions, 'service' | 'clock'>,
): Promise<void> {
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
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

  const watcher = await service.watch(since, hear, filter);
  // Who was greeted misses nothing from here on.
  greet();
  await ended;
  watcher.stop();
}
