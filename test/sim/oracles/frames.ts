/** S3, S15, S19 to S23, L1: what may be said on the wire. */
import { speaks } from '../../../src/protocol/version.ts';
import { isDone } from '../../../src/protocol/run.ts';
import type { ToMaster } from '../../../src/protocol/to-master.ts';
import type { ToSlave } from '../../../src/protocol/to-slave.ts';
import type { SimSlave } from '../slave.ts';
import { STRANGER } from '../strangers.ts';
import type { MakeOracle, Session } from './oracle.ts';

type Named = { runId: string; attempt: number };

/** A grant is sent as soon as it is on disk. */
const OWED_MS = 5_000;

export const frameOracles: MakeOracle = (sight) => {
  const { mirror, master, slaves, report } = sight;
  /**
   * Slaves whose drain was acknowledged, and that nobody has asked to resume since, with what came
   * to each after that: it may refuse a grant, or not hear it once its lease is over.
   */
  const drained = new Map<string, Set<string>>();
  const resuming = new Map<string, number>();
  /** Attempts whose end, or refusal, is on disk: by their history, whatever the machine makes of it. */
  const settled = new Set<string>();
  /** Attempts that were to be stopped, by the connection that said so. */
  const stopped = new WeakMap<Session, Set<string>>();
  /** What a slave was not known to hold when it was welcomed. */
  const owed = new WeakMap<Session, { keys: Set<string>; since: number }>();

  const keyOf = ({ runId, attempt }: Named) => `${runId}.${attempt}`;

  function checkAssign(session: Session, message: Extract<ToSlave, { type: 'assign' }>): void {
    const grant = mirror.grants.get(keyOf(message));
    if (!grant) return report('S3', `${keyOf(message)} is sent before its grant is on disk`);
    const { slave } = session;
    if (grant.token !== message.token || grant.slave !== slave) {
      report('S19', `${keyOf(message)} is sent to ${slave}, it was granted to ${grant.slave}`);
    }
    if (slave !== undefined && drained.has(slave)) {
      report('S15', `${keyOf(message)} is sent to ${slave}, which is drained`);
    }
    if (stopped.get(session)?.has(keyOf(message))) {
      report('S23', `${keyOf(message)} is sent to ${slave} after the word that it is to stop`);
    }
    owed.get(session)?.keys.delete(keyOf(message));
    checkRoom(message, slave ?? '?');
  }

  /** What is there by the disk and not held must be sent to it: else nobody ever tells it. */
  function checkWelcome(session: Session, message: Extract<ToSlave, { type: 'welcome' }>): void {
    for (const named of message.forget) checkForget(session, named, true);
    for (const named of message.stop) checkStop(session, named);
    const held = new Set(message.held.map(keyOf));
    const keys = assignedTo(session.slave).filter((key) => !held.has(key));
    if (keys.length > 0) owed.set(session, { keys: new Set(keys), since: sight.nowMs });
  }

  function checkOwed(session: Session): void {
    const { keys, since } = owed.get(session) ?? {};
    if (!keys || sight.nowMs - since! < OWED_MS) return;
    owed.delete(session);
    for (const key of assignedTo(session.slave)) {
      if (keys.has(key)) report('L1', `${key} is assigned to ${session.slave}, and not sent to it`);
    }
  }

  function assignedTo(slave: string | undefined): string[] {
    const keys: string[] = [];
    for (const [runId, { state, context }] of mirror.folds) {
      if (state !== 'PENDING.assigned' || context.slave !== slave) continue;
      keys.push(keyOf({ runId, attempt: context.attempt }));
    }
    return keys;
  }

  /** What is on disk as being there, with this, never exceeds the slots. */
  function checkRoom(message: Named, name: string): void {
    const count = mirror.roomTaken(name);
    const slots = slaves.get(name)?.plan.slots ?? 1;
    if (count > slots) report('S22', `${keyOf(message)} is one of ${count} on ${name}`);
  }

  /** Told to drop it: either it was never the current one, or its end is on disk. */
  function checkForget(session: Session, named: Named, mayBeLost: boolean): void {
    // Who never had it may be told anything of it.
    if (session.slave === STRANGER) return;
    const run = mirror.folds.get(named.runId);
    if (!run || isDone(run.state) || run.context.attempt !== named.attempt) return;
    if (settled.has(keyOf(named))) return;
    const process = slaves.get(session.slave ?? '')?.processes.all.get(keyOf(named));
    const isAlive = process !== undefined && !process.end;
    if (isAlive || !mayBeLost) report('S20', `${keyOf(named)} is current, and to be dropped`);
  }

  function checkStop(session: Session, named: Named): void {
    stopped.set(session, (stopped.get(session) ?? new Set()).add(keyOf(named)));
    const run = mirror.folds.get(named.runId);
    if (!run) return report('S19', `${keyOf(named)} is to stop, and is unknown`);
    if (run.context.attempt !== named.attempt || isDone(run.state)) return;
    if (run.state !== 'RUNNING.stopping') {
      report('S20', `${keyOf(named)} is to stop, and is ${run.state}`);
    }
  }

  function checkAcknowledge(
    session: Session,
    message: Extract<ToSlave, { type: 'acknowledge' }>,
  ): void {
    if (message.stale) return checkForget(session, message, false);
    const run = mirror.folds.get(message.runId);
    if (!run || run.context.settled < message.attempt) {
      report('S19', `${keyOf(message)} is acknowledged before its end is on disk`);
    }
  }

  function checkFromSlave({ plan, journal }: SimSlave, message: ToMaster): void {
    if (message.type !== 'progress' || message.phase !== 'executing') return;
    if (!journal.directories.get(keyOf(message))?.assignment) {
      report('S19', `${plan.name} says that ${keyOf(message)} executes, and has not noted it`);
    }
  }

  function checkTaken({ plan: { name } }: SimSlave, key: string): void {
    if (drained.get(name)?.has(key)) report('S15', `${key} is begun by ${name}, which is drained`);
  }

  /** Only of the current attempt: what is stale may well find no room. */
  function checkReject({ plan }: SimSlave, message: Named): void {
    const { attempt, settled = 0 } = mirror.folds.get(message.runId)?.context ?? {};
    if (attempt !== message.attempt || settled >= message.attempt) return;
    report('S22', `${keyOf(message)} found no slot free on ${plan.name}`);
  }

  return {
    onMasterSends(session, message) {
      switch (message.type) {
        case 'assign':
          return checkAssign(session, message);
        case 'acknowledge':
          return checkAcknowledge(session, message);
        case 'renew':
          return checkOwed(session);
        case 'stop':
          return checkStop(session, message);
        case 'welcome':
          return checkWelcome(session, message);
        default:
      }
    },
    onSlaveHears(slave, message) {
      if (message.type !== 'assign' || !drained.has(slave.plan.name)) return;
      if (!slave.agent?.attempts.has(keyOf(message)))
        drained.get(slave.plan.name)!.add(keyOf(message));
    },
    onSpawn: (slave, { key }) => checkTaken(slave, key),
    onSlaveSends(slave, message) {
      if ('runId' in message && message.type !== 'reject') checkTaken(slave, keyOf(message));
      if (message.type === 'reject' && message.reason === 'no slot free') {
        checkReject(slave, message);
      } else checkFromSlave(slave, message);
    },
    onChange({ steps }) {
      for (const { event, before } of steps) {
        const { type, attempt } = event.event;
        if (type === 'attempt.finished' || type === 'attempt.rejected') {
          settled.add(`${event.run}.${String(attempt)}`);
        }
        if (type !== 'run.granted') continue;
        checkNotDone(event.run, before.context.attempt, before.context.settled);
      }
    },
    onAnswer(answer) {
      if (answer.kind !== 'drained') return;
      if (!resuming.get(answer.slave)) drained.set(answer.slave, new Set());
    },
    onResume(slave, isOver) {
      drained.delete(slave);
      resuming.set(slave, (resuming.get(slave) ?? 0) + (isOver ? -1 : 1));
    },
  };

  /** A slave that is connected and said hello with the success of the attempt before. */
  function checkNotDone(run: string, attempt: number, settled: number): void {
    if (attempt === 0 || settled >= attempt) return;
    for (const session of master.sessions.values()) {
      if (session.isOver || !session.welcomed) continue;
      // A slave of 1.0 cannot send again what a master lost of its outputs: that success is no use.
      const cannotResend = !speaks(session.protocolMax, '1.1');
      const isDoneThere = session.reports.some(
        ({ runId, attempt: its, ending, inline }) =>
          (inline || !cannotResend) &&
          runId === run &&
          its === attempt &&
          ending.kind === 'exited' &&
          ending.code === 0,
      );
      if (!isDoneThere) continue;
      report('S21', `${run}.${attempt} succeeded on ${session.slave}`);
    }
  }
};
