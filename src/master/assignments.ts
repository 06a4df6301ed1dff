/** What the yard decided is told to slaves (dst.md part 4, steps 2, 6, 12 and 14). */
import { buggify } from '../base/buggify.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { speaks } from '../protocol/version.ts';
import { exclusiveWaitMs } from './exclusive.ts';
import type { Drains } from './drains.ts';
import { isOn } from './records.ts';
import type { RunOrigin, RunRecord } from './records.ts';
import type { Session, Sessions } from './sessions.ts';
import { slotKey } from './yard.ts';
import type { SlaveCommands, Yard } from './yard.ts';

export interface AssignmentsPorts {
  yard: Yard;
  clock: Clock;
  log: Log;
  leaseMs: number;
  /** Called once for each attempt, when it is given to its slave. */
  takeOrigin: (runId: string) => RunOrigin | Promise<RunOrigin>;
}

export function makeAssignments(
  ports: AssignmentsPorts,
  sessions: Sessions,
  drains: Drains,
): SlaveCommands {
  const { yard, clock, log } = ports;

  function sendAssign(session: Session, run: RunRecord, { request }: RunOrigin): void {
    // A session that ended meanwhile is settled by its next HELLO or its lease.
    if (!sessions.isCurrent(session) || !session.welcomed) return;
    const { attempt, token } = run.context;
    const now = yard.ledger.live(run.id);
    if (now?.context.attempt !== attempt || now.state !== 'PENDING.assigned') {
      return unassign(session.name, run.id, attempt, 'aborted before it was sent');
    }
    // Who was told that it is drained is not to see it get more work.
    if (yard.ledger.slave(session.name)?.context.drain) {
      return unassign(session.name, run.id, attempt, 'drained before it was sent');
    }
    if (buggify(clock, 'master.grant.withdrawn')) {
      return unassign(session.name, run.id, attempt, 'withdrawn before it was sent');
    }
    const { argv, formula, bundle, env, isolation, exclusive } = request;
    const { timeoutMs, outputTimeoutMs, graceMs, outputBytesMax } = request;
    if (!speaks(session.protocol, '1.1')) session.unheard.add(slotKey(run.id, attempt));
    sessions.send(session, {
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
    // With nothing else to do, the slave's start is what somebody waits for, not the answer.
    if (!yard.ledger.isBusy()) sessions.hurry(session);
  }

  /** Its slave has not heard of it: there is nothing to stop there. */
  function unassign(slave: string, runId: string, attempt: number, why: string): void {
    yard.vacate(slave, runId, attempt);
    const event = { type: 'attempt.rejected', at: clock.wall(), attempt, slave, why } as const;
    sessions.settle(yard.transact((tx) => void tx.run(runId, event, 'master')));
  }

  /** Given back, it would be granted again at once; as a failure it waits its turn or ends. */
  function failAttempt({ id, context }: RunRecord, error: unknown): void {
    const { attempt, slave } = context;
    log.error({ run: id, err: String(error) }, 'cannot assign: its request cannot be read');
    yard.vacate(slave!, id, attempt);
    const code = isYardError(error) ? error.code : 'store.unavailable';
    const ending = { kind: 'failed', code, why: 'its request cannot be read' } as const;
    const event = {
      type: 'attempt.finished',
      at: clock.wall(),
      attempt,
      slave: slave!,
      ending,
      // There is no herd to be spread.
      jitter: 0.5,
    } as const;
    sessions.settle(yard.transact((tx) => void tx.run(id, event, 'master')));
  }

  return {
    assign(run) {
      const session = sessions.get(run.context.slave!);
      if (!session) return;
      const found = ports.takeOrigin(run.id);
      const origin = buggify(clock, 'master.assign.late')
        ? Promise.all([found, sleep(clock, 1_000)]).then(([late]) => late)
        : found;
      if (!(origin instanceof Promise)) return sendAssign(session, run, origin);
      origin.then(
        (read) => sendAssign(session, run, read),
        (error: unknown) => failAttempt(run, error),
      );
    },
    stop(run) {
      const { slave, attempt } = run.context;
      const session = sessions.get(slave!);
      if (session) sessions.send(session, { type: 'stop', runId: run.id, attempt });
    },
    giveUp(tx, slave) {
      yard.rooms.get(slave.name)?.used.clear();
      const why = slave.context.whyGone!;
      for (const run of yard.ledger.liveRuns()) {
        if (!isOn(run, slave.name)) continue;
        const { attempt } = run.context;
        const waitMs = exclusiveWaitMs(run, ports.leaseMs);
        const event = { at: clock.wall(), attempt, slave: slave.name, why, waitMs };
        tx.run(run.id, { type: 'slave.lost', ...event }, 'master');
      }
    },
    tell(slave, what) {
      const session = sessions.get(slave.name);
      sessions.setOnline(slave.name, session?.welcomed ?? false);
      const { drain } = slave.context;
      if (session && what === 'drain' && drain) {
        session.knowsDrain = false;
        sessions.send(session, { type: 'drain', note: drain.note, by: drain.by });
      } else if (session) sessions.send(session, { type: 'resume' });
      drains.check(slave.name);
      sessions.settle(yard.transact(() => {}));
    },
  };
}
