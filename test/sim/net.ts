/**
 * The network between machines. A connection is what socket.io gives: frames in order, each way,
 * that end with an unknown lost part. A blocked direction only delays, as TCP does (dst.md 2.3).
 */
import { YardError } from '../../src/base/errors.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';

export interface NetOptions {
  latencyMinUs: number;
  latencyMeanUs: number;
  /** Chance that a frame is very late. */
  spikeRate: number;
  spikeMaxUs: number;
}

/** One end of a connection. */
export interface Socket {
  readonly id: string;
  readonly remote: string;
  write: (frame: Uint8Array) => void;
  bufferedBytes: () => number;
  onFrame: (handler: (frame: Uint8Array) => void) => void;
  /** Once: the other side ended it, or it is noticed to be dead. */
  onLost: (handler: (reason: string) => void) => void;
  /** Closes after what was written. */
  end: () => void;
  /** Closes at once; what is under way may be lost. */
  cut: () => void;
}

export interface Net {
  listen: (host: string, life: Life, accept: (socket: Socket) => void) => void;
  connect: (from: string, life: Life, to: string) => Promise<Socket>;
  /** One request and its answer, over a connection of their own. */
  request: <T>(from: string, life: Life, to: string, serve: () => Promise<T>) => Promise<T>;
  block: (from: string, to: string) => void;
  unblock: (from: string, to: string) => void;
  /** All directions are open, fast and without surprises from now on. */
  heal: () => void;
  /** Breaks what is open between two hosts; each side notices in its own time. */
  cut: (a: string, b: string, draw: Draw) => void;
  /** Bytes a second between them; Infinity: as fast as you like. */
  slow: (a: string, b: string, bytesPerSecond: number) => void;
  /** A process is gone: its peers hear at once (`power`: only when they miss it). */
  endLife: (life: Life, power: boolean) => void;
  /** Its peers have given it up: it did not answer pings. */
  pingTimeout: (life: Life) => void;
  readonly open: number;
}

const CONNECT_TIMEOUT_US = 10e6;
/** socket.io's ping interval and timeout: a dead peer is noticed within both. */
const PING_MIN_US = 20e6;
const PING_MAX_US = 30e6;
const REQUEST_TIMEOUT_US = 300e6;
const RETRANSMIT_US = 200e3;

interface Frame {
  size: number;
  lost: boolean;
  deliver: () => void;
}

/** One direction of one connection. */
interface Pipe {
  link: Link;
  lastAt: number;
  inFlight: Frame[];
  stalled: Frame[];
  bytes: number;
}

/** One direction between two hosts. */
interface Link {
  from: string;
  to: string;
  draw: Draw;
  blockedSince: number | undefined;
  bytesPerSecond: number;
  pipes: Set<Pipe>;
}

interface End {
  life: Life;
  host: string;
  out: Pipe;
  isClosed: boolean;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  early: Uint8Array[];
  onLost: ((reason: string) => void) | undefined;
  lostWhy: string | undefined;
}

interface Conn {
  id: string;
  ends: [End, End];
  isCut: boolean;
}

interface Call {
  from: Life;
  host: string;
  to: string;
  server: Life | undefined;
  fail: (why: string) => void;
}

export function makeNet(kernel: Kernel, draw: Draw, options: NetOptions): Net {
  const links = new Map<string, Link>();
  const listeners = new Map<string, { life: Life; accept: (socket: Socket) => void }>();
  const conns = new Set<Conn>();
  const calls = new Set<Call>();
  let connections = 0;
  let { spikeRate } = options;

  function linkOf(from: string, to: string): Link {
    const key = `${from}>${to}`;
    let link = links.get(key);
    if (!link) {
      link = {
        from,
        to,
        draw: draw.fork(key),
        blockedSince: undefined,
        bytesPerSecond: Infinity,
        pipes: new Set(),
      };
      links.set(key, link);
    }
    return link;
  }

  function latencyUs({ draw: chance }: Link): number {
    const base = options.latencyMinUs + chance.exponential(options.latencyMeanUs);
    return chance.chance(spikeRate) ? base + chance.float() * options.spikeMaxUs : base;
  }

  // Pipes: what is written arrives in order, or not at all.

  function makePipe(link: Link): Pipe {
    const pipe = { link, lastAt: 0, inFlight: [], stalled: [], bytes: 0 };
    link.pipes.add(pipe);
    return pipe;
  }

  function put(pipe: Pipe, size: number, deliver: () => void, life: Life | undefined): Frame {
    const { link } = pipe;
    const frame: Frame = { size, lost: false, deliver };
    pipe.bytes += size;
    const transferUs = link.bytesPerSecond === Infinity ? 0 : (size / link.bytesPerSecond) * 1e6;
    const at = Math.max(kernel.now + latencyUs(link), pipe.lastAt) + transferUs;
    pipe.lastAt = at;
    pipe.inFlight.push(frame);
    kernel.after(at - kernel.now, KIND.frame, () => arrive(pipe, frame, life));
    return frame;
  }

  function arrive(pipe: Pipe, frame: Frame, life: Life | undefined): void {
    // Frames arrive in order: it is the first, and nothing is to be searched.
    if (pipe.inFlight[0] === frame) pipe.inFlight.shift();
    else {
      const index = pipe.inFlight.indexOf(frame);
      if (index >= 0) pipe.inFlight.splice(index, 1);
    }
    if (frame.lost) return void (pipe.bytes -= frame.size);
    if (pipe.link.blockedSince !== undefined || pipe.stalled.length > 0) {
      return void pipe.stalled.push(frame);
    }
    pipe.bytes -= frame.size;
    hand(frame, life);
  }

  /** A paused or busy process reads it later, one that is gone never. */
  function hand(frame: Frame, life: Life | undefined): void {
    if (life && (life.paused || life.busyUntil > kernel.now || life.costUs > 0)) {
      kernel.after(0, KIND.wire, frame.deliver, life);
    } else if (!life || life.alive) frame.deliver();
  }

  function release(link: Link): void {
    link.blockedSince = undefined;
    for (const pipe of link.pipes) {
      if (pipe.stalled.length === 0) continue;
      const delay = link.draw.float() * RETRANSMIT_US;
      kernel.after(delay, KIND.wire, () => flush(pipe));
    }
  }

  function flush(pipe: Pipe): void {
    if (pipe.link.blockedSince !== undefined) return;
    const frames = pipe.stalled;
    pipe.stalled = [];
    for (const frame of frames) {
      pipe.bytes -= frame.size;
      if (!frame.lost) kernel.after(0, KIND.wire, frame.deliver);
    }
  }

  // Connections.

  function lose(conn: Conn, end: End, reason: string): void {
    if (end.isClosed) return;
    end.isClosed = true;
    if (end.out.link.pipes.delete(end.out) && conn.ends.every(({ isClosed }) => isClosed)) {
      conns.delete(conn);
    }
    if (!end.life.alive) return;
    if (end.onLost) end.onLost(reason);
    else end.lostWhy = reason;
  }

  function loseLater(conn: Conn, end: End, delayUs: number, reason: string): void {
    kernel.after(delayUs, KIND.wire, () => lose(conn, end, reason), end.life);
  }

  function close(conn: Conn, end: End): void {
    if (end.isClosed) return;
    end.isClosed = true;
    const peer = conn.ends[0] === end ? conn.ends[1] : conn.ends[0];
    if (peer.isClosed) conns.delete(conn);
    if (peer.isClosed || conn.isCut) return void end.out.link.pipes.delete(end.out);
    const why = 'net.closed: the other side ended the connection';
    const fin = () => {
      end.out.link.pipes.delete(end.out);
      lose(conn, peer, why);
    };
    put(end.out, 1, fin, peer.life);
  }

  function socketOf(conn: Conn, end: End, remote: string): Socket {
    const peer = conn.ends[0] === end ? conn.ends[1] : conn.ends[0];
    return {
      id: conn.id,
      remote,
      write(frame) {
        if (end.isClosed || !end.life.alive) return;
        const sent = put(end.out, frame.length, () => receive(peer, frame), peer.life);
        if (conn.isCut) sent.lost = true;
      },
      bufferedBytes: () => end.out.bytes,
      onFrame(handler) {
        end.onFrame = handler;
        for (const frame of end.early.splice(0)) handler(frame);
      },
      onLost(handler) {
        end.onLost = handler;
        if (end.lostWhy !== undefined) handler(end.lostWhy);
      },
      end: () => close(conn, end),
      cut: () => close(conn, end),
    };
  }

  function receive(end: End, frame: Uint8Array): void {
    if (end.isClosed || !end.life.alive) return;
    kernel.noteBytes(frame);
    if (end.onFrame) end.onFrame(frame);
    else end.early.push(frame);
  }

  function openConn(from: string, fromLife: Life, to: string, toLife: Life): Conn {
    const makeEnd = (host: string, life: Life, link: Link): End => ({
      life,
      host,
      out: makePipe(link),
      isClosed: false,
      onFrame: undefined,
      early: [],
      onLost: undefined,
      lostWhy: undefined,
    });
    const conn: Conn = {
      id: `${from}#${++connections}`,
      ends: [makeEnd(from, fromLife, linkOf(from, to)), makeEnd(to, toLife, linkOf(to, from))],
      isCut: false,
    };
    conns.add(conn);
    return conn;
  }

  function connect(from: string, life: Life, to: string): Promise<Socket> {
    const there = makePipe(linkOf(from, to));
    const back = makePipe(linkOf(to, from));
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (act: () => void) => {
        if (over) return;
        over = true;
        timer.run = undefined;
        there.link.pipes.delete(there);
        back.link.pipes.delete(back);
        act();
      };
      const fail = (code: string, what: string) => finish(() => reject(new YardError(code, what)));
      const timer = kernel.after(
        CONNECT_TIMEOUT_US,
        KIND.wire,
        () => fail('net.timeout', `no answer from ${to}`),
        life,
      );
      put(there, 1, reach, undefined);

      function reach(): void {
        const listener = listeners.get(to);
        if (!listener?.life.alive) {
          return void put(back, 1, () => fail('net.unreachable', `no ${to} there`), life);
        }
        const conn = openConn(from, life, to, listener.life);
        const [ours, theirs] = conn.ends;
        const opened = () => {
          if (over) return close(conn, ours);
          finish(() => resolve(socketOf(conn, ours, to)));
        };
        put(theirs.out, 1, opened, life);
        hand(
          frameOf(() => listener.accept(socketOf(conn, theirs, from))),
          listener.life,
        );
      }
    });
  }

  function request<T>(from: string, life: Life, to: string, serve: () => Promise<T>): Promise<T> {
    const there = makePipe(linkOf(from, to));
    const back = makePipe(linkOf(to, from));
    return new Promise((resolve, reject) => {
      const finish = (act: () => void) => {
        if (!calls.delete(call)) return;
        timer.run = undefined;
        there.link.pipes.delete(there);
        back.link.pipes.delete(back);
        if (life.alive) act();
      };
      const call: Call = {
        from: life,
        host: from,
        to,
        server: undefined,
        fail: (why) => finish(() => reject(new YardError('net.unreachable', why))),
      };
      calls.add(call);
      const timer = kernel.after(REQUEST_TIMEOUT_US, KIND.call, () => call.fail('no answer'), life);
      const answer = (act: () => void) => {
        if (calls.has(call)) put(back, 1, () => finish(act), life);
      };
      put(there, 1, reach, undefined);

      function reach(): void {
        if (!calls.has(call)) return;
        const server = listeners.get(to)?.life;
        if (!server?.alive) return void put(back, 1, () => call.fail(`no ${to} there`), life);
        call.server = server;
        const deliver = () => {
          serve().then(
            (value) => server.alive && answer(() => resolve(value)),
            (error: unknown) => server.alive && answer(() => reject(error as Error)),
          );
        };
        hand(frameOf(deliver), server);
      }
    });
  }

  function cutConn(conn: Conn, chance: Draw): void {
    if (conn.isCut) return;
    conn.isCut = true;
    for (const { out } of conn.ends) {
      const frames = [...out.stalled, ...out.inFlight];
      const kept = chance.int(0, frames.length);
      for (const frame of frames.slice(kept)) frame.lost = true;
    }
    for (const end of conn.ends) {
      const delay = chance.pick([2e3, 50e3, 1e6, 5e6, chance.between(PING_MIN_US, PING_MAX_US)]);
      loseLater(conn, end, delay * chance.between(0.5, 1), 'net.closed: the connection broke');
    }
  }

  function endConn(conn: Conn, end: End, power: boolean): void {
    const peer = conn.ends[0] === end ? conn.ends[1] : conn.ends[0];
    if (!power) return close(conn, end);
    end.isClosed = true;
    conn.isCut = true;
    for (const frame of [...end.out.stalled, ...end.out.inFlight]) frame.lost = true;
    const delay = end.out.link.draw.between(1e6, PING_MAX_US);
    loseLater(conn, peer, delay, 'net.timeout: the other side no longer answers');
  }

  return {
    listen: (host, life, accept) => void listeners.set(host, { life, accept }),
    connect,
    request,
    block(from, to) {
      const link = linkOf(from, to);
      if (link.blockedSince !== undefined) return;
      link.blockedSince = kernel.now;
      const since = kernel.now;
      // Pings do not get through either: both sides give up, one after the other.
      kernel.after(link.draw.between(PING_MIN_US, PING_MAX_US), KIND.wire, () => {
        if (link.blockedSince !== since) return;
        for (const conn of conns) {
          const crosses = conn.ends.some(({ out }) => out.link === link);
          if (!crosses || conn.isCut) continue;
          const server = conn.ends[1];
          if (server.life.alive && !server.life.paused) {
            lose(conn, server, 'net.timeout: the slave no longer answers');
            put(
              server.out,
              1,
              () => lose(conn, conn.ends[0], 'net.closed: the other side ended it'),
              conn.ends[0].life,
            );
          }
          if (link.from === server.host)
            lose(conn, conn.ends[0], 'net.timeout: the master no longer answers');
        }
      });
    },
    unblock: (from, to) => release(linkOf(from, to)),
    heal() {
      spikeRate = 0;
      for (const link of links.values()) {
        if (link.blockedSince !== undefined) release(link);
        link.bytesPerSecond = Infinity;
      }
    },
    cut(a, b, chance) {
      for (const conn of conns) {
        const hosts = conn.ends.map(({ host }) => host);
        if (hosts.includes(a) && hosts.includes(b)) cutConn(conn, chance);
      }
      for (const call of calls) {
        const isBetween = (call.host === a && call.to === b) || (call.host === b && call.to === a);
        if (isBetween) call.fail('the connection broke');
      }
    },
    slow(a, b, bytesPerSecond) {
      linkOf(a, b).bytesPerSecond = bytesPerSecond;
      linkOf(b, a).bytesPerSecond = bytesPerSecond;
    },
    endLife(life, power) {
      for (const conn of conns) {
        for (const end of conn.ends) {
          if (end.life === life && !end.isClosed) endConn(conn, end, power);
        }
      }
      for (const call of calls) {
        if (call.from === life) calls.delete(call);
        else if (call.server === life) {
          const delay = power ? 5e6 : 2e3;
          kernel.after(delay, KIND.call, () => call.fail('the connection broke'), call.from);
        }
      }
    },
    pingTimeout(life) {
      for (const conn of conns) {
        for (const [index, end] of conn.ends.entries()) {
          if (end.life !== life || end.isClosed || conn.isCut) continue;
          conn.isCut = true;
          lose(conn, conn.ends[1 - index]!, 'net.timeout: the other side no longer answers');
          loseLater(conn, end, 1e3, 'net.closed: the other side ended the connection');
        }
      }
    },
    get open() {
      return conns.size;
    },
  };
}

function frameOf(deliver: () => void): Frame {
  return { size: 0, lost: false, deliver };
}
