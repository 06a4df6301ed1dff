/** A master's wire on a free port of loopback, and slaves that speak it by hand, well or badly. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { systemClock } from '../../src/base/clock.ts';
import { YardError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { listenForSlaves, type ListenOptions } from '../../src/master/socket.ts';
import { decode, encode } from '../../src/protocol/codec.ts';
import type { Connection } from '../../src/protocol/transport.ts';
import { connectToMaster } from '../../src/slave/socket.ts';

export const schema = z.object({ n: z.number(), text: z.string().optional() });
export type Message = z.infer<typeof schema>;
type Wire = Connection<Message, Message>;

export interface WireMaster {
  port: number;
  url: string;
  counters: Map<string, number>;
  connections: Wire[];
  /** Why connections ended, by their id. */
  ended: Map<string, string>;
  /** What is done with each new connection; at first, every frame is sent back. */
  onConnection: (connection: Wire) => void;
  listener: { close: (reason: string) => Promise<void> };
  stop: () => Promise<void>;
}

/** Lets in whoever shows the token `t`. */
export async function startMaster(
  options: Partial<ListenOptions<Message, string>> = {},
  http = createServer((_request, response) => response.writeHead(404).end()),
): Promise<WireMaster> {
  const counters = new Map<string, number>();
  const listener = listenForSlaves<Message, Message, string>(http, {
    schema,
    clock: systemClock,
    log: silentLog,
    counters,
    authorize: async ({ auth, headers }) =>
      auth['token'] === 't' || headers.authorization === 'Bearer t'
        ? 'slave'
        : new YardError('auth.missing', 'no token', { hint: 'enrol' }),
    ...options,
  });
  const connections: Wire[] = [];
  const ended = new Map<string, string>();
  listener.onConnection((connection) => {
    connections.push(connection);
    connection.onClose((reason) => ended.set(connection.id, reason));
    return master.onConnection(connection);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const master: WireMaster = {
    port,
    url: `http://127.0.0.1:${port}`,
    counters,
    connections,
    ended,
    onConnection: (connection) => {
      connection.onMessages((messages) => connection.send(messages));
    },
    listener,
    async stop() {
      await listener.close('master.draining: the test is over');
      if (!http.listening) return;
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
  return master;
}

/** A slave through our own adapter. */
export function slaveOf(
  url: string,
  token = 't',
  counters = new Map<string, number>(),
  connectTimeoutMs = 10_000,
) {
  return connectToMaster<Message, Message>(url, {
    auth: () => ({ token }),
    schema,
    clock: systemClock,
    log: silentLog,
    counters,
    connectTimeoutMs,
  });
}

export interface RawSlave {
  socket: WebSocket;
  /** Packets from the master so far, decoded. */
  packets: unknown[];
  /** Sends bytes, or a value encoded, or text as text. */
  send: (...frames: unknown[]) => void;
  packet: () => Promise<unknown>;
  /** Resolves with the code with which the WebSocket closed. */
  closed: Promise<number>;
}

/** A socket that speaks engine.io, and says only what the test says. */
export async function rawSlave(port: number, headers: Record<string, string> = {}) {
  const url = `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`;
  const socket = new WebSocket(url, { headers, perMessageDeflate: false });
  const packets: unknown[] = [];
  const waiting: ((packet: unknown) => void)[] = [];
  let open: string | undefined;
  const opened = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data, isBinary) => {
      const text = isBinary ? undefined : (data as Buffer).toString();
      if (text === '2') socket.send('3');
      else if (text?.startsWith('0')) resolve(void (open = text.slice(1)));
      else {
        const packet = text ?? decode(data as Buffer);
        const next = waiting.shift();
        if (next) next(packet);
        else packets.push(packet);
      }
    });
  });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await opened;
  const raw: RawSlave & { open: Record<string, unknown> } = {
    socket,
    packets,
    open: JSON.parse(open!) as Record<string, unknown>,
    send(...frames) {
      for (const frame of frames) {
        if (socket.readyState !== socket.OPEN) return;
        if (typeof frame === 'string' || frame instanceof Uint8Array) socket.send(frame);
        else socket.send(encode(frame));
      }
    },
    packet: () =>
      packets.length > 0
        ? Promise.resolve(packets.shift())
        : new Promise((resolve) => waiting.push(resolve)),
    closed,
  };
  return raw;
}

export const CONNECT = [0, '/slaves', { token: 't' }];

/** A socket that was let in. */
export async function joinedSlave(port: number) {
  const raw = await rawSlave(port);
  raw.send(CONNECT);
  await raw.packet();
  return raw;
}

/** Sends one message through a connection that echoes, and waits for it to come back. */
export async function echo(connection: Wire, n: number): Promise<void> {
  const back = new Promise<Message[]>((resolve) => connection.onMessages(resolve));
  connection.send([{ n }]);
  const [message] = await back;
  if (message?.n !== n) throw new Error(`sent ${n}, and ${message?.n} came back`);
}

/** Resident bytes after the garbage is collected. */
export function residentBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().rss;
}
