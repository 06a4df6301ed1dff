import { buggify } from '../base/buggify.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Hello, ToMaster } from '../protocol/to-master.ts';
import type { ToSlave } from '../protocol/to-slave.ts';
import type { Connection } from '../protocol/transport.ts';
import { PROTOCOL, PROTOCOL_MIN, agreedProtocol, speaks } from '../protocol/version.ts';
import type { Yard } from './yard.ts';

export type SlaveConnection = Connection<ToSlave, ToMaster>;

/** One connection of one slave, from its HELLO on. */
export interface Session {
  readonly name: string;
  readonly incarnation: string;
  readonly connection: SlaveConnection;
  /** The protocol that both sides know, major.minor. */
  readonly protocol: string;
  /** HELLO is settled: it may be given work. */
  welcomed: boolean;
  /** It is going away: it takes nothing more, whatever is asked of it. */
  isLeaving: boolean;
  /** No grant from before a drain can reach it any more. */
  knowsDrain: boolean;
  /** Attempts that were given to it and that it has said nothing of; only kept for those of 1.0. */
  readonly unheard: Set<string>;
  outgoing: ToSlave[];
  flushing: boolean;
}

/** Which connection speaks for each slave. */
export interface Sessions {
  get: (slave: string) => Session | undefined;
  /** It speaks for its slave from now on; an earlier connection of it is closed. */
  open: (hello: Hello, connection: SlaveConnection) => Session;
  /** Nobody speaks for that slave any more; says who did. */
  end: (slave: string) => Session | undefined;
  /** A frame of any other connection changes nothing (S26). */
  isCurrent: (session: Session) => boolean;
  /** Messages of one turn leave as one frame. */
  send: (session: Session, message: ToSlave) => void;
  /** What was sent so far leaves before anything else that this turn will do. */
  hurry: (session: Session) => void;
  /** Tells the placement whether the slave can be given work. */
  setOnline: (slave: string, online: boolean) => void;
  /** Awaits a transaction that nobody else does. */
  settle: (transaction: Promise<void>) => void;
  closeAll: (reason: string) => void;
  count: () => number;
}

export function makeSessions(ports: { yard: Yard; clock: Clock; log: Log }): Sessions {
  const { yard, clock, log } = ports;
  const sessions = new Map<string, Session>();

  function flush(session: Session): void {
    session.flushing = false;
    const messages = session.outgoing;
    session.outgoing = [];
    if (messages.length === 0) return;
    if (buggify(clock, 'master.send.alone')) {
      for (const message of messages) session.connection.send([message]);
    } else session.connection.send(messages);
  }

  return {
    get: (slave) => sessions.get(slave),
    open({ name, incarnation, protocol }, connection) {
      const session: Session = {
        name,
        incarnation,
        connection,
        protocol: agreedProtocol(protocol, { min: PROTOCOL_MIN, max: PROTOCOL }),
        welcomed: false,
        isLeaving: false,
        knowsDrain: true,
        unheard: new Set(),
        outgoing: [],
        flushing: false,
      };
      const earlier = sessions.get(name);
      sessions.set(name, session);
      earlier?.connection.close('hello.replaced: it connected again');
      return session;
    },
    end(slave) {
      const session = sessions.get(slave);
      sessions.delete(slave);
      return session;
    },
    isCurrent: (session) => sessions.get(session.name) === session,
    send(session, message) {
      session.outgoing.push(message);
      if (session.flushing) return;
      session.flushing = true;
      clock.soon(() => flush(session));
    },
    hurry: (session) => queueMicrotask(() => flush(session)),
    setOnline(slave, online) {
      const record = yard.ledger.slave(slave);
      if (!record) return;
      const used = yard.rooms.get(slave)?.used ?? new Map<string, Record<string, number>>();
      const isLeaving = sessions.get(slave)?.isLeaving ?? false;
      const draining = isLeaving || record.context.drain !== undefined;
      const endsExclusive = speaks(sessions.get(slave)?.protocol ?? PROTOCOL, '1.1');
      yard.setRoom({ name: slave, ...record.facts, online, draining, endsExclusive, used });
    },
    settle(transaction) {
      // A store that fails is heard of through `yard.fatal`.
      transaction.catch((error: unknown) => log.debug({ err: String(error) }, 'not recorded'));
    },
    closeAll(reason) {
      for (const session of sessions.values()) session.connection.close(reason);
    },
    count: () => sessions.size,
  };
}

/** Who an event of that slave is by, as its history names it. */
export function by(session: Session): string {
  return `slave/${session.name}`;
}
