/** Events for watchers, over a plain WebSocket at /api/watch?since=SEQ&run=ID&ends=1. */
import type { Server } from 'node:http';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../base/clock.ts';
import { isYardError, httpStatusOf, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { WATCH_PATH } from '../protocol/http.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import type { MasterService } from '../protocol/service.ts';
import type { Gate } from './gate.ts';

const PING_MS = 15_000;
const LAG_BYTES_MAX = 4 * 2 ** 20;

export interface WatchOptions {
  service: MasterService;
  gate: Gate;
  clock: Clock;
  log: Log;
}

export function attachWatch(server: Server, options: WatchOptions): { close: () => void } {
  const { service, gate, clock, log } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 });

  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://x');
    if (url.pathname !== WATCH_PATH) return;
    gate.admit(request, 'read').then(
      () => {
        sockets.handleUpgrade(request, socket, head, (client) => {
          serve(client, url.searchParams).catch((error: unknown) => {
            log.error({ err: messageOf(error) }, 'internal.handler: watch failed');
            client.close(1011, 'internal.handler');
          });
        });
      },
      (error: unknown) => {
        const status = isYardError(error) ? httpStatusOf(error.code) : 500;
        const body = JSON.stringify({ error: isYardError(error) ? error : { code: 'internal' } });
        socket.end(
          `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n` +
            `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      },
    );
  });

  async function serve(client: WebSocket, query: URLSearchParams): Promise<void> {
    const since = query.get('since');
    const run = query.get('run') ?? undefined;
    const ends = query.get('ends') === '1';
    let ping: Timer | undefined;
    const beat = () => {
      ping = clock.setTimeout(() => {
        client.ping();
        beat();
      }, PING_MS);
    };
    client.on('error', () => client.terminate());
    const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.send(JSON.stringify({ type: 'hello', since: since === null ? null : Number(since) }));
    beat();
    const send = (events: HistoryEvent[]) => {
      if (client.readyState !== client.OPEN) return;
      if (client.bufferedAmount > LAG_BYTES_MAX) {
        client.close(1013, 'limit.slow_consumer: resume by since');
        return;
      }
      client.send(JSON.stringify({ type: 'events', events }));
    };
    const from = since === null || !/^\d{1,15}$/.test(since) ? undefined : Number(since);
    const watcher = await service.watch(from, send, { run, ends });
    await ended;
    ping?.cancel();
    watcher.stop();
  }

  return {
    close() {
      for (const client of sockets.clients) client.close(1001, 'master.stopping');
      sockets.close();
    },
  };
}
