/** Plain WebSockets beside the routes: who may have one, and how long it lasts. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../base/clock.ts';
import { YardError, httpStatusOf, isYardError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { cutLater } from '../protocol/websocket.ts';

/** A client that lets more than this pile up is closed with 1013. */
export const LAG_BYTES_MAX = 4 * 2 ** 20;
const PING_MS = 15_000;
/** How long an upgrade may wait for somebody who knows its path. */
const UNCLAIMED_MS = 10_000;

export interface SocketPath {
  path: string;
  /** Rejects, or says who serves the client until it is gone. */
  admit: (request: IncomingMessage) => Promise<(client: WebSocket) => Promise<void>>;
}

export function attachSockets(
  server: Server,
  paths: readonly SocketPath[],
  { clock, log }: { clock: Clock; log: Log },
): { close: () => void } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024 });

  async function upgrade(
    { path, admit }: SocketPath,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    let serve: (client: WebSocket) => Promise<void>;
    try {
      serve = await admit(request);
    } catch (error) {
      if (!isYardError(error)) log.error({ err: messageOf(error) }, 'internal.handler: an upgrade');
      return refuse(socket, isYardError(error) ? error : new YardError('internal.handler', ''));
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('error', () => client.terminate());
      client.once('close', pingAlong(client, clock));
      serve(client).catch((error: unknown) => {
        log.error({ path, err: messageOf(error) }, 'internal.handler: a socket failed');
        client.close(1011, 'internal.handler');
      });
    });
  }

  server.on('upgrade', (request, socket, head) => {
    // Nobody else listens while it is nobody's, and one reset would end the process.
    socket.on('error', () => socket.destroy());
    const found = paths.find(({ path }) => path === request.url?.split('?')[0]);
    if (found) return void upgrade(found, request, socket, head);
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

function refuse(socket: Duplex, error: YardError): void {
  const body = JSON.stringify({ error });
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${httpStatusOf(error.code)} Refused\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
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
