/** Where slaves arrive: socket.io on the master's HTTP server, closed to all that they never do. */
import type { IncomingHttpHeaders, IncomingMessage, Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { Server, type Socket } from 'socket.io';
import type { WebSocket } from 'ws';
import { YardError, assert, isYardError, messageOf } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { makeSession } from '../protocol/connection.ts';
import type { Link, Session, SessionOptions } from '../protocol/connection.ts';
import { count } from '../protocol/counters.ts';
import { FRAME_BYTES_MAX } from '../protocol/frame-gate.ts';
import { NAMESPACE, makeParser } from '../protocol/parser.ts';
import { makeRate } from '../protocol/rate.ts';
import type { Connection } from '../protocol/transport.ts';
import { closed, cutLater, findWebSocketFault } from '../protocol/websocket.ts';

const HEADERS_MAX = 100;
const HEADERS_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Only a net under our own heartbeats, which decide about leases. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 20_000;

/** What one slave may send, frames of every kind counted; a burst is five seconds' worth. */
const RATE: IncomingRate = { framesPerSecond: 200, bytesPerSecond: 8 * 2 ** 20 };
const BURST_SECONDS = 5;
/** How long one who floods may take to hear that it is over; nothing of it is read any more. */
const FLOOD_MS = 200;

export interface IncomingRate {
  framesPerSecond: number;
  bytesPerSecond: number;
}

/** What a newcomer shows before it is let in. */
export interface Credentials {
  /** The handshake's own map; all of it is a stranger's. */
  auth: Readonly<Record<string, unknown>>;
  headers: IncomingHttpHeaders;
  remote: string;
}

export interface ListenOptions<In, Identity> extends SessionOptions<In> {
  /** Says who it is, or why it is refused; the refusal's code reaches the slave. */
  authorize: (credentials: Credentials) => Promise<Identity | YardError>;
  rate?: IncomingRate;
}

export interface SlaveListener<Out, In, Identity> {
  /** Sets who gets the connections; set it before the HTTP server listens. */
  onConnection: (handler: (connection: Connection<Out, In>, identity: Identity) => void) => void;
  /** Lets nobody in any more and ends every connection; the HTTP server stays its owner's. */
  close: (reason: string) => Promise<void>;
}

type Sockets = Record<string, never>;
type SlaveServer<Identity> = Server<Sockets, Sockets, Sockets, { identity: Identity }>;
type SlaveSocket<Identity> = Socket<Sockets, Sockets, Sockets, { identity: Identity }>;
type Carrier = Socket['conn'];

/** A socket from its upgrade on; it has a session once it was let in. */
interface Peer<Out, In> {
  socket: WebSocket;
  session?: Session<Out, In>;
  /** What broke the WebSocket itself; socket.io only says "transport error". */
  fault?: YardError;
  /** It was told why it may not come in, and that is counted. */
  refused?: boolean;
  /** Bytes that the engine holds back because the socket is busy. */
  queuedBytes: number;
}

/** Takes slaves in on `/socket.io/` of that server; other paths and upgrades are left alone. */
export function listenForSlaves<Out, In, Identity>(
  httpServer: HttpServer | HttpsServer,
  options: ListenOptions<In, Identity>,
): SlaveListener<Out, In, Identity> {
  const { counters, log } = options;
  const peers = new Map<Carrier, Peer<Out, In>>();
  let onConnection: ((connection: Connection<Out, In>, identity: Identity) => void) | undefined;
  let closing: string | undefined;

  httpServer.maxHeadersCount = HEADERS_MAX;
  httpServer.headersTimeout = HEADERS_TIMEOUT_MS;
  const io: SlaveServer<Identity> = new Server(httpServer, {
    ...socketOptions(options),
    allowRequest: (request, answer) => {
      const refusal = closing ?? findOriginFault(request)?.message;
      answer(refusal, refusal === undefined);
    },
  });

  io.engine.on('connection_error', (error: { code: number; message: string; context: unknown }) => {
    const code = codeOfRefusal(error);
    count(counters, code);
    log.debug({ code }, `an upgrade was refused: ${error.message}`);
  });
  io.engine.on('connection', (carrier: Carrier) => {
    const peer: Peer<Out, In> = { socket: webSocketOf(carrier), queuedBytes: 0 };
    peers.set(carrier, peer);
    watchCarrier(carrier, peer, options);
    carrier.once('close', () => peers.delete(carrier));
  });

  const slaves = io.of(NAMESPACE);
  slaves.use((socket, next) => {
    void admit(socket, options).then((error) => {
      const peer = peers.get(socket.conn);
      if (peer && error) peer.refused = true;
      next(error);
    });
  });
  slaves.on('connection', (socket) => {
    const peer = peers.get(socket.conn);
    assert(peer && onConnection, 'a connection needs its peer and a handler');
    const handler = onConnection;
    const session = makeSession<Out, In>(linkOf(socket, peer, options), options);
    peer.session = session;
    joinSession(socket, peer, session);
    session.guard(() => handler(session.connection, socket.data.identity));
  });

  return {
    onConnection: (handler) => void (onConnection = handler),
    async close(reason) {
      closing = reason;
      const gone = [...peers].map(([carrier, peer]) => {
        const ended = closed(peer.socket);
        if (peer.session) peer.session.connection.close(reason);
        else carrier.close();
        cutLater(peer.socket, options.clock);
        return ended;
      });
      await Promise.all(gone);
      io.engine.close();
    },
  };
}

function socketOptions<In, Identity>(options: ListenOptions<In, Identity>) {
  return {
    parser: makeParser({ reader: 'master', counters: options.counters }),
    transports: ['websocket' as const],
    allowUpgrades: false,
    destroyUpgrade: false,
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: FRAME_BYTES_MAX,
    connectTimeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    pingTimeout: PING_TIMEOUT_MS,
    cleanupEmptyChildNamespaces: true,
  };
}

/** Browsers always say where a page came from; a page of another site may not reach us. */
function findOriginFault(request: IncomingMessage): YardError | undefined {
  const { origin, host } = request.headers;
  if (origin === undefined) return undefined;
  if (host !== undefined && URL.canParse(origin)) {
    const from = new URL(origin);
    const ours = `${from.protocol}//${host}`;
    if (from.host !== '' && URL.canParse(ours) && new URL(ours).host === from.host)
      return undefined;
  }
  return new YardError('auth.origin', 'pages of another origin may not connect');
}

function codeOfRefusal(error: { code: number; context: unknown }): string {
  const { UNKNOWN_TRANSPORT, FORBIDDEN, UNSUPPORTED } = REFUSALS;
  if (error.code === UNKNOWN_TRANSPORT) return 'proto.transport';
  if (error.code === UNSUPPORTED) return 'proto.engine';
  if (error.code !== FORBIDDEN) return 'net.handshake';
  const said = String((error.context as { message?: unknown }).message);
  return /^[a-z_.]*/.exec(said)![0];
}

/** engine.io's numbers for why it refuses an upgrade. */
const REFUSALS = { UNKNOWN_TRANSPORT: 0, FORBIDDEN: 4, UNSUPPORTED: 5 };

/** Resolves with nothing if it may come in, else with the error in the form socket.io sends. */
async function admit<In, Identity>(
  socket: SlaveSocket<Identity>,
  options: ListenOptions<In, Identity>,
): Promise<Error | undefined> {
  const { auth, headers, address: remote } = socket.handshake;
  let refusal: YardError;
  try {
    const answer = await options.authorize({ auth, headers, remote });
    if (!isYardError(answer)) {
      socket.data.identity = answer;
      return undefined;
    }
    refusal = answer;
    options.log.info({ code: refusal.code, remote }, refusal.message);
  } catch (error) {
    refusal = new YardError('internal.handler', 'the master failed to check who this is');
    const stack = error instanceof Error ? error.stack : undefined;
    options.log.error({ code: refusal.code, remote, stack }, messageOf(error));
  }
  count(options.counters, refusal.code);
  return Object.assign(new Error(refusal.message), { data: refusal.toJSON() });
}

/** Counts and ends what goes wrong below the packets: floods, broken WebSocket, silence. */
function watchCarrier<Out, In, Identity>(
  carrier: Carrier,
  peer: Peer<Out, In>,
  options: ListenOptions<In, Identity>,
): void {
  const { clock, counters, log } = options;
  const { framesPerSecond, bytesPerSecond } = options.rate ?? RATE;
  const frames = makeRate(clock, framesPerSecond, framesPerSecond * BURST_SECONDS);
  const bytes = makeRate(clock, bytesPerSecond, bytesPerSecond * BURST_SECONDS);
  let flooded = false;

  function take(size: number): void {
    if (flooded || (frames(1) && bytes(size))) return;
    flooded = true;
    const most = `${framesPerSecond} frames and ${formatBytes(bytesPerSecond)} a second`;
    const error = new YardError('limit.rate', `more than ${most}`);
    if (peer.session) peer.session.refuse(error);
    else {
      count(counters, error.code);
      carrier.close();
    }
    peer.socket.pause();
    cutLater(peer.socket, clock, FLOOD_MS);
  }

  carrier.on('packet', (packet) => take(packet.data?.length ?? 0));
  // These never become packets, yet each one is answered.
  peer.socket.on('ping', (data: Buffer) => take(data.length));
  carrier.on('flush', () => void (peer.queuedBytes = 0));
  // Ahead of socket.io's own listener, which closes the connection at once.
  peer.socket.prependListener('error', (error) => {
    const fault = findWebSocketFault(error);
    if (!fault) return;
    peer.fault = fault;
    count(counters, fault.code);
    log.warn({ code: fault.code, remote: carrier.remoteAddress }, fault.message);
  });
  carrier.on('close', () => {
    if (!peer.session && !peer.refused && !peer.fault) count(counters, 'net.handshake');
    cutLater(peer.socket, clock);
  });
}

function linkOf<Out, In, Identity>(
  socket: SlaveSocket<Identity>,
  peer: Peer<Out, In>,
  options: ListenOptions<In, Identity>,
): Link {
  const carrier = socket.conn;
  return {
    id: socket.id,
    remote: carrier.remoteAddress,
    write(frame) {
      peer.queuedBytes += frame.length;
      carrier.write(frame as Buffer);
    },
    bufferedBytes: () => peer.queuedBytes + peer.socket.bufferedAmount,
    end() {
      socket.disconnect(true);
      cutLater(peer.socket, options.clock);
    },
    cut: () => peer.socket.terminate(),
  };
}

function joinSession<Out, In, Identity>(
  socket: SlaveSocket<Identity>,
  peer: Peer<Out, In>,
  session: Session<Out, In>,
): void {
  // Kept for the life of the socket otherwise, the token among it.
  socket.handshake.auth = {};
  socket.handshake.headers = {};
  (socket.conn as { request: unknown }).request = undefined;

  // A named handler runs a tick later than a disconnect does, and would miss the last frame.
  socket.onAny((_event, payload: unknown) => session.receive(payload));
  socket.on('error', (error: unknown) => {
    // The parser has counted its own refusals; anything else is a bug of ours.
    if (isYardError(error)) session.connection.close(error.message);
    else session.refuse(new YardError('internal.parser', messageOf(error)));
  });
  socket.on('disconnect', (reason) => {
    session.lost(peer.fault?.message ?? reasonOfLoss(reason));
  });
}

function reasonOfLoss(reason: string): string {
  if (reason === 'ping timeout') return 'net.timeout: the slave no longer answers';
  return `net.closed: the connection of the slave ended (${reason})`;
}

function webSocketOf(carrier: Carrier): WebSocket {
  return (carrier.transport as unknown as { socket: WebSocket }).socket;
}
