/** The slave's end of the wire: one attempt to reach the master, one connection out of it. */
import { Manager, NodeWebSocket, type Socket } from 'socket.io-client';
import type { WebSocket } from 'ws';
import { YardError, messageOf, quote } from '../base/errors.ts';
import { makeSession } from '../protocol/connection.ts';
import type { Link, SessionOptions } from '../protocol/connection.ts';
import { FRAME_BYTES_MAX } from '../protocol/frame-gate.ts';
import { NAMESPACE, makeParser } from '../protocol/parser.ts';
import type { Connection } from '../protocol/transport.ts';
import { unreachable } from '../protocol/unreachable.ts';
import { cutLater } from '../protocol/websocket.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const REFUSAL_LENGTH_MAX = 1_000;

export interface ConnectOptions<In> extends SessionOptions<In> {
  /** What to show the master; asked anew at each attempt. */
  auth: () => Record<string, unknown>;
  tls?: { ca?: string; rejectUnauthorized?: boolean };
  connectTimeoutMs?: number;
}

export interface MasterAddress<Out, In> {
  /**
   * Makes one attempt. Rejects with the master's own code if it refused, else with `net.…`.
   * Nothing is kept from one connection to the next: what was not sent on this one is the caller's.
   */
  connect: () => Promise<Connection<Out, In>>;
}

/** Names a master by its `http` or `https` URL; nothing is opened before `connect`. */
export function connectToMaster<Out, In>(
  url: string,
  options: ConnectOptions<In>,
): MasterAddress<Out, In> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new YardError('input.url', `${quote(url)} is not a master's URL`, {
      hint: 'write http://HOST:PORT or https://HOST:PORT',
    });
  }
  return { connect: () => connect(new URL(url).origin, options) };
}

/** What is learnt of the WebSocket below socket.io, which itself only says "websocket error". */
interface Wire {
  socket?: WebSocket;
  /** The body of an HTTP answer that was not an upgrade. */
  refusal?: string;
  queuedBytes: number;
}

function connect<Out, In>(
  origin: string,
  options: ConnectOptions<In>,
): Promise<Connection<Out, In>> {
  const wire: Wire = { queuedBytes: 0 };
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const manager = makeManager(origin, options, wire);
  const socket = manager.socket(NAMESPACE, { auth: options.auth() });

  return new Promise((resolve, reject) => {
    const timer = options.clock.setTimeout(() => {
      fail(new YardError('net.timeout', `no answer from ${origin} within ${timeoutMs} ms`));
    }, timeoutMs);

    function fail(error: YardError): void {
      timer.cancel();
      socket.offAny();
      socket.off();
      socket.disconnect();
      if (wire.socket) cutLater(wire.socket, options.clock);
      reject(error);
    }

    socket.once('connect_error', (error) => fail(readRefusal(error, origin, wire)));
    socket.once('disconnect', (reason, details) => {
      const why = reasonOfLoss(reason, details);
      fail(new YardError('net.closed', `${origin} ended the connection: ${why}`));
    });
    socket.once('connect', () => {
      timer.cancel();
      socket.off();
      resolve(open<Out, In>(socket, origin, wire, options));
    });
    socket.connect();
  });
}

function makeManager<In>(origin: string, options: ConnectOptions<In>, wire: Wire): Manager {
  const { ca, rejectUnauthorized } = options.tls ?? {};
  const settings = {
    parser: makeParser({ reader: 'slave', counters: options.counters }),
    transports: [makeTransport(wire)],
    upgrade: false,
    reconnection: false,
    autoConnect: false,
    forceNew: true,
    timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_MAX,
    ...(ca !== undefined && { ca }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  };
  return new Manager(origin, settings as unknown as ConstructorParameters<typeof Manager>[1]);
}

/** socket.io's WebSocket, which also keeps what the server said when it refused the upgrade. */
function makeTransport(wire: Wire): typeof NodeWebSocket {
  return class extends NodeWebSocket {
    override createSocket(...args: Parameters<NodeWebSocket['createSocket']>) {
      const socket = super.createSocket(...args) as WebSocket;
      wire.socket = socket;
      socket.on('unexpected-response', (_request, response) => {
        wire.refusal = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          wire.refusal = (wire.refusal + text).slice(0, REFUSAL_LENGTH_MAX);
        });
        response.once('close', () => socket.terminate());
      });
      return socket;
    }
  };
}

/** A refusal that names a code is the master's; anything else is the network's. */
function readRefusal(error: Error, origin: string, wire: Wire): YardError {
  const data = (error as { data?: { code?: unknown; message?: unknown; hint?: unknown } }).data;
  const said = /^([a-z]+(?:\.[a-z_]+)+): ([^\p{C}]*)$/u.exec(wire.refusal ?? '');
  if (typeof data?.code === 'string' && typeof data.message === 'string') {
    const hint = typeof data.hint === 'string' ? { hint: data.hint } : {};
    return new YardError(data.code, data.message, hint);
  }
  if (said) return new YardError(said[1]!, said[2]!);
  if (wire.refusal !== undefined) {
    return new YardError('net.refused', `${origin} answers, but not as a master`, {
      hint: 'check the address and the port',
    });
  }
  const { description } = error as { description?: { error?: unknown } };
  return unreachable(origin, description?.error ?? error);
}

function open<Out, In>(
  socket: Socket,
  origin: string,
  wire: Wire,
  options: ConnectOptions<In>,
): Connection<Out, In> {
  const session = makeSession<Out, In>(linkOf(socket, origin, wire, options), options);
  socket.onAny((_event, payload: unknown) => session.receive(payload));
  socket.once('disconnect', (reason, details) => session.lost(reasonOfLoss(reason, details)));
  return session.connection;
}

function linkOf<In>(socket: Socket, origin: string, wire: Wire, options: ConnectOptions<In>): Link {
  const { engine } = socket.io;
  engine.on('flush', () => void (wire.queuedBytes = 0));
  return {
    id: socket.id!,
    remote: new URL(origin).host,
    write(frame) {
      wire.queuedBytes += frame.length;
      engine.write(frame as Buffer);
    },
    bufferedBytes: () => wire.queuedBytes + wire.socket!.bufferedAmount,
    end() {
      socket.disconnect();
      cutLater(wire.socket!, options.clock);
    },
    cut: () => wire.socket!.terminate(),
  };
}

function reasonOfLoss(reason: string, details: unknown): string {
  if (reason === 'parse error') return messageOf(details);
  if (reason === 'ping timeout') return 'net.timeout: the master no longer answers';
  return `net.closed: the connection to the master ended (${reason})`;
}
