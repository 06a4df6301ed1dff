/**
 * Where slaves meet the master: the handshake, leases, and the turning of messages into events
 * (dst.md part 4, steps 2 to 8 and 14). A frame's messages are decided on in one transaction.
 */
import type { Clock } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { normalArch } from '../protocol/run.ts';
import type { FinishedReport, Hello, ToMaster } from '../protocol/to-master.ts';
import type { ToSlave } from '../protocol/to-slave.ts';
import type { Connection } from '../protocol/transport.ts';
import { PROTOCOL, VERSION } from '../protocol/version.ts';
import type { Transaction } from './ledger.ts';
import { helloFault } from './greeting.ts';
import type { SlaveIdentity } from './greeting.ts';
import { makeLeases } from './leases.ts';
import type { RunOrigin, RunRecord, SlaveRecord } from './records.ts';
import type { Yard } from './yard.ts';

export interface HubPorts {
  yard: Yard;
  clock: Clock;
  random: Random;
  log: Log;
  masterEpoch: number;
  leaseMs: number;
  /** Called once for each attempt, when it is given to its slave. */
  takeOrigin: (runId: string) => RunOrigin | Promise<RunOrigin>;
  /** Makes a report's outputs and artifacts complete on our disk, or rejects. */
  keep: (report: FinishedReport) => Promise<void> | undefined;
  /** Bytes held of an attempt's streams. */
  sizesOf: (runId: string, attempt: number) => Promise<Record<string, number>>;
}

type SlaveConnection = Connection<ToSlave, ToMaster>;

interface Session {
  name: string;
  incarnation: string;
  connection: SlaveConnection;
  /** HELLO is settled: it may be given work. */
  welcomed: boolean;
  outgoing: ToSlave[];
  flushing: boolean;
}

export interface Hub {
  accept: (connection: SlaveConnection, identity: SlaveIdentity) => void;
  /** After a restart: what runs on slaves that have not come back yet is waited for so long. */
  expectReturn: (windowMs: number) => void;
  stop: (reason: string) => void;
  sessions: () => number;
}

export function makeHub(ports: HubPorts): Hub {
  const { yard, clock, log, leaseMs } = ports;
  const sessions = new Map<string, Session>();
  const leases = makeLeases(clock, leaseMs, expire);
  let stopped = false;

  function send(session: Session, message: ToSlave): void {
    session.outgoing.push(message);
    if (session.flushing) return;
    session.flushing = true;
    clock.soon(() => {
      session.flushing = false;
      const messages = session.outgoing;
      session.outgoing = [];
      session.connection.send(messages);
    });
  }

  function isCurrent(session: Session): boolean {
    return sessions.get(session.name) === session;
  }

  function report(promise: Promise<void>): void {
    // A store that fails is heard of through `yard.fatal`.
    promise.catch((error: unknown) => log.debug({ err: String(error) }, 'transaction failed'));
  }

  function expire(name: string): void {
    if (stopped) return;
    log.warn({ slave: name }, 'lease over: its attempts are lost');
    const session = sessions.get(name);
    sessions.delete(name);
    session?.connection.close('lease.expired: no heartbeat in time');
    setOnline(name, false);
    report(yard.transact((tx) => void tx.slave(name, { type: 'lease.expired', at: clock.wall() })));
  }

  function setOnline(name: string, online: boolean): void {
    const record = yard.ledger.slave(name);
    if (!record) return;
    const used = yard.rooms.get(name)?.used ?? new Map<string, Record<string, number>>();
    const { drain } = record.context;
    yard.setRoom({ name, ...record.facts, online, draining: drain !== undefined, used });
  }

  // The handshake.

  function greet(connection: SlaveConnection, identity: SlaveIdentity, hello: Hello): void {
    const fault = helloFault(hello, identity, sessions.get(hello.name));
    if (fault) {
      log.warn({ slave: hello.name, code: fault.code }, 'slave refused');
      connection.send([{ type: 'refuse', code: fault.code, message: fault.message }]);
      connection.close(fault.message);
      return;
    }
    const earlier = sessions.get(hello.name);
    const session: Session = {
      name: hello.name,
      incarnation: hello.incarnation,
      connection,
      welcomed: false,
      outgoing: [],
      flushing: false,
    };
    sessions.set(hello.name, session);
    earlier?.connection.close('hello.replaced: it connected again');
    leases.renew(hello.name);
    setOnline(hello.name, false);
    connection.onClose((reason) => onClosed(session, reason));
    connection.onMessages((messages) => onMessages(session, messages));
    reconcile(session, hello).catch((error: unknown) => {
      log.error({ slave: session.name, err: String(error) }, 'handshake failed');
      connection.close(isYardError(error) ? error.message : 'internal.handshake: failed');
    });
  }

  /** Step 7: results first, then what goes on, what is stale, what is gone; then the welcome. */
  async function reconcile(session: Session, hello: Hello): Promise<void> {
    const reports = await keepReports(hello);
    if (!isCurrent(session)) return;
    const goingOn: { run: RunRecord; phase: string }[] = [];
    const forget: { runId: string; attempt: number }[] = [];
    const stop: { runId: string; attempt: number }[] = [];
    const facts = { ...hello, arch: normalArch(hello.arch) };
    const { arch, labels, slots, resources, isolations, version, host } = facts;
    await yard.transact((tx) => {
      const at = clock.wall();
      const event = { type: 'slave.welcomed', at, incarnation: hello.incarnation } as const;
      tx.slave(hello.name, event, { arch, labels, slots, resources, isolations, version, host });
      const room = yard.rooms.get(hello.name);
      room?.used.clear();
      for (const finished of reports) finish(tx, session, finished);
      const unkept = new Set(hello.reports.filter((one) => !reports.includes(one)).map(slotOf));
      const reported = new Set(reports.map(({ runId, attempt }) => `${runId}.${attempt}`));
      const held = new Set<string>();
      for (const { runId, attempt, token, phase } of hello.held) {
        const run = yard.ledger.live(runId);
        const isLost = unkept.has(`${runId}.${attempt}`);
        const stale =
          !run || isLost || run.context.attempt !== attempt || run.context.token !== token;
        if (stale || run.context.settled >= attempt || reported.has(`${runId}.${attempt}`)) {
          forget.push({ runId, attempt });
          continue;
        }
        held.add(runId);
        goingOn.push({ run, phase });
        if (run.state === 'RUNNING.stopping') stop.push({ runId, attempt });
        else adopt(tx, session, run, attempt);
      }
      for (const run of yard.ledger.liveRuns()) {
        if (isOn(run, hello.name) && !held.has(run.id)) dropFrom(tx, session.name, run);
      }
    });
    if (!isCurrent(session)) return;
    await welcome(session, { forget, stop, goingOn });
  }

  /** A report whose outputs are not whole is none: the attempt counts as lost. */
  async function keepReports(hello: Hello): Promise<FinishedReport[]> {
    const kept: FinishedReport[] = [];
    for (const finished of hello.reports) {
      try {
        if (isWanted(finished)) await ports.keep(finished);
        kept.push(finished);
      } catch (error) {
        log.warn({ run: finished.runId, err: String(error) }, 'outputs incomplete: attempt lost');
      }
    }
    return kept;
  }

  function adopt(tx: Transaction, session: Session, run: RunRecord, attempt: number): void {
    const at = clock.wall();
    if (isOn(run, session.name) && run.state.startsWith('RUNNING')) return;
    tx.run(run.id, { type: 'attempt.adopted', at, attempt, slave: session.name }, by(session));
  }

  /** What we believed there and is not: never accepted, or lost with an earlier process of it. */
  function dropFrom(tx: Transaction, name: string, run: RunRecord): void {
    const { attempt } = run.context;
    const at = clock.wall();
    const why = 'not held after it connected again';
    if (run.state === 'PENDING.assigned') {
      tx.run(run.id, { type: 'attempt.rejected', at, attempt, slave: name, why }, 'master');
    } else tx.run(run.id, { type: 'slave.lost', at, attempt, slave: name, why }, 'master');
  }

  async function welcome(
    session: Session,
    settled: {
      forget: { runId: string; attempt: number }[];
      stop: { runId: string; attempt: number }[];
      goingOn: { run: RunRecord; phase: string }[];
    },
  ): Promise<void> {
    const held = await Promise.all(
      settled.goingOn.map(async ({ run: { id: runId, context } }) => ({
        runId,
        attempt: context.attempt,
        sizes: await ports.sizesOf(runId, context.attempt),
      })),
    );
    if (!isCurrent(session)) return;
    const record = yard.ledger.slave(session.name);
    send(session, {
      type: 'welcome',
      masterEpoch: ports.masterEpoch,
      masterVersion: VERSION,
      protocol: PROTOCOL,
      leaseMs,
      heartbeatMs: Math.max(1, Math.floor(leaseMs / 3)),
      draining: record?.context.drain !== undefined,
      forget: settled.forget,
      stop: settled.stop,
      held,
    });
    session.welcomed = true;
    setOnline(session.name, true);
    for (const { run } of settled.goingOn) {
      yard.occupy(session.name, run.id, run.context.attempt, run.facts.resources);
    }
    log.info({ slave: session.name, held: held.length }, 'slave welcomed');
    report(yard.transact(() => {}));
  }

  function onClosed(session: Session, why: string): void {
    if (!isCurrent(session) || stopped) return;
    sessions.delete(session.name);
    setOnline(session.name, false);
    log.info({ slave: session.name, why }, 'slave disconnected');
    const event = { type: 'slave.disconnected', at: clock.wall(), why } as const;
    report(yard.transact((tx) => void tx.slave(session.name, event)));
  }

  // Messages of a welcomed session.

  function onMessages(session: Session, messages: ToMaster[]): void {
    if (!isCurrent(session) || stopped) return;
    leases.renew(session.name);
    report(
      yard.transact((tx) => {
        for (const message of messages) {
          if (message.type !== 'finished') decide(tx, session, message);
          else {
            const kept = isWanted(message) ? ports.keep(message) : undefined;
            if (kept) finishLater(session, message, kept);
            else finish(tx, session, message);
          }
        }
      }),
    );
  }

  function finishLater(session: Session, finished: FinishedReport, kept: Promise<void>): void {
    kept.then(
      () => {
        if (isCurrent(session)) report(yard.transact((tx) => finish(tx, session, finished)));
      },
      (error: unknown) => {
        log.warn({ run: finished.runId, err: String(error) }, 'outputs incomplete: asking again');
        session.connection.close(isYardError(error) ? error.message : 'internal.outputs: failed');
      },
    );
  }

  function decide(
    tx: Transaction,
    session: Session,
    message: Exclude<ToMaster, { type: 'finished' }>,
  ): void {
    const at = clock.wall();
    const slave = session.name;
    switch (message.type) {
      case 'heartbeat':
        return tx.after(() => send(session, { type: 'renew', beat: message.beat }));
      case 'accept':
        if (isReportOfCurrent(tx, session, message)) {
          const { attempt } = message;
          tx.run(message.runId, { type: 'attempt.accepted', at, attempt, slave }, by(session));
        }
        return;
      case 'reject':
        yard.vacate(slave, message.runId, message.attempt);
        if (isReportOfCurrent(tx, session, message)) {
          const { attempt, reason: why } = message;
          tx.run(message.runId, { type: 'attempt.rejected', at, attempt, slave, why }, by(session));
        }
        return;
      case 'progress':
        if (message.phase !== 'stopping' && isReportOfCurrent(tx, session, message)) {
          const type = `attempt.${message.phase}` as const;
          tx.run(message.runId, { type, at, attempt: message.attempt }, by(session));
        }
        return;
      case 'goodbye':
        sessions.delete(slave);
        leases.end(slave);
        setOnline(slave, false);
        tx.slave(slave, { type: 'slave.left', at, why: message.reason });
        return;
      case 'drained':
        return log.info({ slave }, 'slave drained');
      case 'hello':
        return session.connection.close('hello.repeated: one for each connection');
    }
  }

  function isWanted(claim: { runId: string; attempt: number; token: string }): boolean {
    const { attempt, token, settled } = yard.ledger.live(claim.runId)?.context ?? {};
    return attempt === claim.attempt && token === claim.token && settled! < claim.attempt;
  }

  /** The fence (S4, S5): only the current attempt with its token may report. */
  function isReportOfCurrent(
    tx: Transaction,
    session: Session,
    claim: { runId: string; attempt: number; token: string },
  ): boolean {
    if (isWanted(claim)) return true;
    tx.after(() => acknowledge(session, claim, true));
    return false;
  }

  function acknowledge(
    session: Session,
    { runId, attempt }: { runId: string; attempt: number },
    stale: boolean,
  ): void {
    send(session, { type: 'acknowledge', runId, attempt, stale });
  }

  function finish(tx: Transaction, session: Session, finished: FinishedReport): void {
    yard.vacate(session.name, finished.runId, finished.attempt);
    if (!isReportOfCurrent(tx, session, finished)) return;
    const { runId, attempt, ending, outputs, artifacts, notes } = finished;
    const event = {
      type: 'attempt.finished' as const,
      at: clock.wall(),
      attempt,
      slave: session.name,
      ending,
      jitter: ports.random.float(),
      outputs,
      artifacts: artifacts.length > 0 ? artifacts : undefined,
      notes: notes.length > 0 ? notes : undefined,
    };
    tx.run(runId, event, by(session));
    tx.after(() => acknowledge(session, finished, false));
  }

  // What the yard asks of slaves.

  function assign(run: RunRecord): void {
    const session = sessions.get(run.context.slave ?? '');
    if (!session) return;
    const origin = ports.takeOrigin(run.id);
    if (!(origin instanceof Promise)) return sendAssign(session, run, origin);
    origin.then(
      (found) => sendAssign(session, run, found),
      (error: unknown) => log.error({ run: run.id, err: String(error) }, 'cannot assign'),
    );
  }

  function sendAssign(session: Session, run: RunRecord, { request }: RunOrigin): void {
    // A session that ended meanwhile is settled by its next HELLO or its lease.
    if (!isCurrent(session) || !session.welcomed) return;
    const { attempt, token } = run.context;
    const now = yard.ledger.live(run.id);
    if (now?.context.attempt !== attempt || now.state !== 'PENDING.assigned') {
      return unassign(session.name, run.id, attempt, 'aborted before it was sent');
    }
    // Who was told that it is drained is not to see it get more work.
    if (yard.ledger.slave(session.name)?.context.drain) {
      return unassign(session.name, run.id, attempt, 'drained before it was sent');
    }
    const { argv, formula, bundle, env, isolation, exclusive } = request;
    const { timeoutMs, outputTimeoutMs, graceMs, outputBytesMax } = request;
    send(session, {
      type: 'assign',
      runId: run.id,
      attempt,
      token: token!,
      argv,
      formula,
      bundle,
      env,
      isolation,
      timeoutMs,
      outputTimeoutMs,
      graceMs,
      outputBytesMax,
      exclusive,
    });
  }

  /** Its slave has not heard of it: there is nothing to stop there. */
  function unassign(slave: string, runId: string, attempt: number, why: string): void {
    yard.vacate(slave, runId, attempt);
    const event = { type: 'attempt.rejected', at: clock.wall(), attempt, slave, why } as const;
    report(yard.transact((tx) => void tx.run(runId, event, 'master')));
  }

  function giveUp(tx: Transaction, slave: SlaveRecord): void {
    yard.rooms.get(slave.name)?.used.clear();
    const why = slave.context.whyGone ?? 'lease over';
    for (const run of yard.ledger.liveRuns()) {
      if (!isOn(run, slave.name)) continue;
      const { attempt } = run.context;
      const event = { at: clock.wall(), attempt, slave: slave.name, why };
      tx.run(run.id, { type: 'slave.lost', ...event }, 'master');
    }
  }

  yard.connectSlaves({
    assign,
    stop(run) {
      const session = sessions.get(run.context.slave ?? '');
      const { attempt } = run.context;
      if (session) send(session, { type: 'stop', runId: run.id, attempt });
    },
    giveUp,
    tell(slave, what) {
      setOnline(slave.name, sessions.get(slave.name)?.welcomed ?? false);
      const session = sessions.get(slave.name);
      const { drain } = slave.context;
      if (session && what === 'drain' && drain) {
        send(session, { type: 'drain', note: drain.note, by: drain.by });
      } else if (session) send(session, { type: 'resume' });
      report(yard.transact(() => {}));
    },
  });

  return {
    accept(connection, identity) {
      connection.onMessages((messages) => {
        const [first, ...rest] = messages;
        if (first?.type !== 'hello') {
          return connection.close('hello.missing: say hello first');
        }
        if (rest.length > 0) return connection.close('hello.alone: wait for the welcome');
        greet(connection, identity, first);
      });
    },
    expectReturn(windowMs) {
      for (const slave of yard.ledger.slaves()) {
        setOnline(slave.name, false);
        if (slave.state !== 'OFFLINE') {
          leases.renew(slave.name, windowMs);
          if (slave.state !== 'ONLINE') continue;
          const why = 'the master restarted';
          const event = { type: 'slave.disconnected', at: clock.wall(), why } as const;
          report(yard.transact((tx) => void tx.slave(slave.name, event)));
        }
      }
      for (const run of yard.ledger.liveRuns()) {
        const { slave, attempt } = run.context;
        if (slave !== undefined && isOn(run, slave)) {
          yard.occupy(slave, run.id, attempt, run.facts.resources);
        }
      }
    },
    stop(reason) {
      stopped = true;
      leases.endAll();
      for (const session of sessions.values()) session.connection.close(reason);
    },
    sessions: () => sessions.size,
  };
}

function slotOf({ runId, attempt }: { runId: string; attempt: number }): string {
  return `${runId}.${attempt}`;
}

function by(session: { name: string }): string {
  return `slave/${session.name}`;
}

/** Whether the run is believed to be on that slave now. */
export function isOn(run: RunRecord, slave: string): boolean {
  const onSlave = run.state === 'PENDING.assigned' || run.state.startsWith('RUNNING');
  return onSlave && run.context.slave === slave;
}
