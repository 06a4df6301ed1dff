/**
 * Where slaves meet the master (dst.md part 4, steps 2 to 8 and 14): who is connected, and until
 * when the attempts of who is not are waited for.
 */
import type { YardError } from '../base/errors.ts';
import type { Hello } from '../protocol/to-master.ts';
import { makeAssignments } from './assignments.ts';
import type { AssignmentsPorts } from './assignments.ts';
import { makeDrains } from './drains.ts';
import { helloFault } from './greeting.ts';
import type { SlaveIdentity } from './greeting.ts';
import { makeHandshake } from './handshake.ts';
import type { HandshakePorts } from './handshake.ts';
import { makeLeases } from './leases.ts';
import { isOn } from './records.ts';
import { makeReports } from './reports.ts';
import type { ReportsPorts } from './reports.ts';
import { makeSessions } from './sessions.ts';
import type { Session, SlaveConnection } from './sessions.ts';
import { makeTraffic } from './traffic.ts';
import type { Traffic } from './traffic.ts';
import type { Yard } from './yard.ts';

export interface HubPorts
  extends AssignmentsPorts, Omit<HandshakePorts, 'renewLease'>, ReportsPorts {}

export interface Hub {
  accept: (connection: SlaveConnection, identity: SlaveIdentity) => void;
  /** After a restart: what runs on slaves that have not come back yet is waited for so long. */
  expectReturn: (windowMs: number) => void;
  stop: (reason: string) => void;
  sessions: () => number;
  /** What slaves sent since this master started. */
  readonly traffic: Traffic;
  /** Resolves when a slave that is being drained will start nothing more. */
  drained: (slave: string) => Promise<void>;
}

export function makeHub(ports: HubPorts): Hub {
  const { yard, clock, log } = ports;
  const leases = makeLeases(clock, ports.leaseMs, expire);
  const sessions = makeSessions(ports);
  const drains = makeDrains(yard, sessions);
  const reports = makeReports(ports, sessions, drains, ({ name }) => {
    sessions.end(name);
    leases.end(name);
    sessions.setOnline(name, false);
  });
  const renewLease = (slave: string) => leases.renew(slave);
  const shakeHands = makeHandshake({ ...ports, renewLease }, sessions, reports);
  yard.connectSlaves(makeAssignments(ports, sessions, drains));
  const traffic = makeTraffic();
  let stopped = false;

  function expire(name: string): void {
    if (stopped) return;
    // It waits for its welcome and may not beat: that is our delay, not its silence.
    if (sessions.get(name)?.welcomed === false) return leases.renew(name);
    log.warn({ slave: name }, 'lease over: its attempts are lost');
    sessions.end(name)?.connection.close('lease.expired: no heartbeat in time');
    sessions.setOnline(name, false);
    const event = { type: 'lease.expired', at: clock.wall() } as const;
    sessions.settle(yard.transact((tx) => void tx.slave(name, event)));
    drains.check(name);
  }

  function greet(connection: SlaveConnection, identity: SlaveIdentity, hello: Hello): void {
    if (stopped) return connection.close('master.stopping: ask again');
    const fault = helloFault(hello, identity, sessions.get(hello.name));
    if (fault) {
      log.warn({ slave: hello.name, code: fault.code }, 'slave refused');
      return refuse(connection, fault);
    }
    const session = sessions.open(hello, connection);
    drains.check(hello.name);
    leases.renew(hello.name);
    sessions.setOnline(hello.name, false);
    connection.onClose((reason) => onClosed(session, reason));
    connection.onMessages((messages) => {
      if (!sessions.isCurrent(session) || stopped) return;
      leases.renew(session.name);
      reports.hear(session, messages);
      traffic.hear(session.name, messages, clock.wall());
    });
    void shakeHands(session, hello);
  }

  function onClosed(session: Session, why: string): void {
    if (!sessions.isCurrent(session) || stopped) return;
    sessions.end(session.name);
    disconnect(session.name, why);
    log.info({ slave: session.name, why }, 'slave disconnected');
  }

  function disconnect(slave: string, why: string): void {
    sessions.setOnline(slave, false);
    const event = { type: 'slave.disconnected', at: clock.wall(), why } as const;
    sessions.settle(yard.transact((tx) => void tx.slave(slave, event)));
  }

  return {
    accept(connection, identity) {
      connection.onMessages(([first, ...rest]) => {
        if (first?.type !== 'hello') connection.close('hello.missing: say hello first');
        else if (rest.length > 0) connection.close('hello.alone: wait for the welcome');
        else greet(connection, identity, first);
      });
    },
    expectReturn(windowMs) {
      for (const { name, state } of yard.ledger.slaves()) {
        sessions.setOnline(name, false);
        if (state === 'OFFLINE') continue;
        leases.renew(name, windowMs);
        if (state === 'ONLINE') disconnect(name, 'the master restarted');
      }
      occupyRooms(yard);
    },
    stop(reason) {
      stopped = true;
      leases.endAll();
      sessions.closeAll(reason);
    },
    sessions: () => sessions.count(),
    traffic,
    drained: drains.settled,
  };
}

function refuse(connection: SlaveConnection, { code, message }: YardError): void {
  connection.send([{ type: 'refuse', code, message }]);
  connection.close(message);
}

/** What is believed to run fills its slave, whether that is back or not. */
function occupyRooms(yard: Yard): void {
  for (const run of yard.ledger.liveRuns()) {
    const { slave, attempt } = run.context;
    if (slave === undefined || !isOn(run, slave)) continue;
    yard.occupy(slave, run.id, attempt, run.facts.resources);
  }
}
