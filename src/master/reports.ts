/**
 * What a welcomed slave tells becomes events (dst.md part 4, steps 3 to 5). A frame's messages are
 * decided on in one transaction.
 */
import { buggify } from '../base/buggify.ts';
import type { Clock } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { FinishedReport, ToMaster } from '../protocol/to-master.ts';
import type { Drains } from './drains.ts';
import type { Transaction } from './ledger.ts';
import { by } from './sessions.ts';
import type { Session, Sessions } from './sessions.ts';
import type { Yard } from './yard.ts';

/** What a message says it is about. */
interface Claim {
  runId: string;
  attempt: number;
  token: string;
}

export interface ReportsPorts {
  yard: Yard;
  clock: Clock;
  random: Random;
  log: Log;
  /** Makes a report's outputs and artifacts complete on our disk, or rejects. */
  keep: (report: FinishedReport) => Promise<void> | undefined;
}

export interface Reports {
  /** Decides on a frame. */
  hear: (session: Session, messages: ToMaster[]) => void;
  /** Those whose outputs are whole, or that are not wanted. The others are asked for again. */
  keepAll: (reports: FinishedReport[]) => Promise<FinishedReport[]>;
  finish: (tx: Transaction, session: Session, report: FinishedReport) => void;
}

export function makeReports(
  ports: ReportsPorts,
  sessions: Sessions,
  drains: Drains,
  onGoodbye: (session: Session) => void,
): Reports {
  const { yard, clock, log } = ports;

  function decide(
    tx: Transaction,
    session: Session,
    message: Exclude<ToMaster, { type: 'finished' }>,
  ): void {
    const at = clock.wall();
    const slave = session.name;
    switch (message.type) {
      case 'heartbeat':
        if (buggify(clock, 'master.renew.never')) return;
        return tx.after(() => sessions.send(session, { type: 'renew', beat: message.beat }));
      case 'accept':
        if (isReportOfCurrent(tx, session, message)) {
          const { attempt } = message;
          tx.run(message.runId, { type: 'attempt.accepted', at, attempt, slave }, by(session));
        }
        return;
      case 'reject':
        yard.vacate(slave, message.runId, message.attempt);
        if (message.reason === 'leaving') leave(session);
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
        onGoodbye(session);
        tx.slave(slave, { type: 'slave.left', at, why: message.reason });
        return;
      case 'drained':
        log.info({ slave, leaving: message.leaving }, 'slave takes nothing more');
        session.knowsDrain = true;
        drains.check(slave);
        return message.leaving ? leave(session) : undefined;
      case 'hello':
        return session.connection.close('hello.repeated: one for each connection');
    }
  }

  /** It is not tried again and again with what it refuses. */
  function leave(session: Session): void {
    session.isLeaving = true;
    // It may have said goodbye just before.
    if (sessions.isCurrent(session)) sessions.setOnline(session.name, session.welcomed);
  }

  /** The fence (S4, S5): only the current attempt with its token may report. */
  function isReportOfCurrent(tx: Transaction, session: Session, claim: Claim): boolean {
    if (isWanted(yard, claim)) return true;
    // Once it hears so, the slave drops it without another word.
    yard.vacate(session.name, claim.runId, claim.attempt);
    tx.after(() => acknowledge(session, claim, true));
    return false;
  }

  function acknowledge(session: Session, { runId, attempt }: Claim, stale: boolean): void {
    sessions.send(session, { type: 'acknowledge', runId, attempt, stale });
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

  function finishLater(session: Session, finished: FinishedReport, kept: Promise<void>): void {
    kept.then(
      () => {
        if (!sessions.isCurrent(session)) return;
        if (buggify(clock, 'master.acknowledge.never')) return session.connection.close('again');
        sessions.settle(yard.transact((tx) => finish(tx, session, finished)));
      },
      (error: unknown) => {
        log.warn({ run: finished.runId, err: String(error) }, 'outputs incomplete: asking again');
        session.connection.close(isYardError(error) ? error.message : 'internal.outputs: failed');
      },
    );
  }

  return {
    hear(session, messages) {
      const decided = yard.transact((tx) => {
        for (const message of messages) {
          drains.hear(session, message);
          if (message.type !== 'finished') decide(tx, session, message);
          else {
            const kept = isWanted(yard, message) ? ports.keep(message) : undefined;
            if (kept) finishLater(session, message, kept);
            else finish(tx, session, message);
          }
        }
      });
      sessions.settle(decided);
    },
    async keepAll(reports) {
      const kept: FinishedReport[] = [];
      for (const finished of reports) {
        try {
          if (isWanted(yard, finished)) await ports.keep(finished);
          kept.push(finished);
        } catch (error) {
          log.warn(
            { run: finished.runId, err: String(error) },
            'outputs incomplete: to be sent again',
          );
        }
      }
      return kept;
    },
    finish,
  };
}

function isWanted({ ledger }: Yard, claim: Claim): boolean {
  const { attempt, token, settled } = ledger.live(claim.runId)?.context ?? {};
  return attempt === claim.attempt && token === claim.token && settled! < claim.attempt;
}
