/**
 * From HELLO to WELCOME (dst.md part 4, step 7): what a slave that comes back holds and has
 * finished is settled before it is given anything.
 */
import { buggify } from '../base/buggify.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { normalArch } from '../protocol/run.ts';
import type { FinishedReport, Hello } from '../protocol/to-master.ts';
import { VERSION, speaks } from '../protocol/version.ts';
import { exclusiveWaitMs } from './exclusive.ts';
import type { Transaction } from './ledger.ts';
import { isOn } from './records.ts';
import type { RunRecord } from './records.ts';
import type { Reports } from './reports.ts';
import { by } from './sessions.ts';
import type { Session, Sessions } from './sessions.ts';
import type { Yard } from './yard.ts';

export interface HandshakePorts {
  yard: Yard;
  clock: Clock;
  log: Log;
  masterEpoch: number;
  leaseMs: number;
  renewLease: (slave: string) => void;
  /** Bytes held of an attempt's streams. */
  sizesOf: (runId: string, attempt: number) => Promise<Record<string, number>>;
}

interface Slot {
  runId: string;
  attempt: number;
}

/** What becomes of the attempts that a slave holds. */
interface Verdicts {
  forget: Slot[];
  stop: Slot[];
  goingOn: RunRecord[];
}

/** Settles what a newcomer says; resolves when it is welcomed, or is no longer the current one. */
export type Handshake = (session: Session, hello: Hello) => Promise<void>;

export function makeHandshake(
  ports: HandshakePorts,
  sessions: Sessions,
  reports: Reports,
): Handshake {
  const { yard, clock, log, leaseMs } = ports;

  /** Results first, then what goes on, what is stale, what is gone. */
  function reconcile(
    tx: Transaction,
    session: Session,
    hello: Hello,
    kept: FinishedReport[],
  ): Verdicts {
    const { arch, labels, slots, resources, isolations, version, host } = hello;
    const facts = { arch: normalArch(arch), labels, slots, resources, isolations, version, host };
    const { name, incarnation } = session;
    tx.slave(name, { type: 'slave.welcomed', at: clock.wall(), incarnation }, facts);
    yard.rooms.get(name)?.used.clear();
    for (const finished of kept) reports.finish(tx, session, finished);
    const settled = new Set((speaks(session.protocol, '1.1') ? kept : hello.reports).map(slotOf));
    const verdicts: Verdicts = { forget: [], stop: [], goingOn: [] };
    for (const { runId, attempt, token } of hello.held) {
      const run = yard.ledger.live(runId);
      const isCurrent = run?.context.attempt === attempt && run.context.token === token;
      if (!isCurrent || run.context.settled >= attempt || settled.has(slotOf({ runId, attempt }))) {
        verdicts.forget.push({ runId, attempt });
        continue;
      }
      verdicts.goingOn.push(run);
      if (run.state === 'RUNNING.stopping') verdicts.stop.push({ runId, attempt });
      else adopt(tx, session, run);
    }
    const held = new Set(verdicts.goingOn.map(({ id }) => id));
    for (const run of yard.ledger.liveRuns()) {
      if (isOn(run, name) && !held.has(run.id)) dropFrom(tx, name, run);
    }
    return verdicts;
  }

  function adopt(tx: Transaction, session: Session, run: RunRecord): void {
    const { name: slave } = session;
    if (isOn(run, slave) && run.state.startsWith('RUNNING')) return;
    const { attempt } = run.context;
    tx.run(run.id, { type: 'attempt.adopted', at: clock.wall(), attempt, slave }, by(session));
  }

  /** What we believed there and is not: never accepted, or lost with an earlier process of it. */
  function dropFrom(tx: Transaction, slave: string, run: RunRecord): void {
    const why = 'not held after it connected again';
    const { attempt } = run.context;
    const event = { at: clock.wall(), attempt, slave, why };
    // Another machine of that name may have taken it.
    const waitMs = exclusiveWaitMs(run, leaseMs);
    if (run.state === 'PENDING.assigned' && waitMs === undefined) {
      tx.run(run.id, { type: 'attempt.rejected', ...event }, 'master');
    } else tx.run(run.id, { type: 'slave.lost', ...event, waitMs }, 'master');
  }

  async function heldWithSizes(goingOn: RunRecord[]) {
    return Promise.all(
      goingOn.map(async ({ id: runId, context: { attempt } }) => ({
        runId,
        attempt,
        sizes: await ports.sizesOf(runId, attempt),
      })),
    );
  }

  async function welcome(session: Session, { forget, stop, goingOn }: Verdicts): Promise<void> {
    const held = await heldWithSizes(goingOn);
    if (buggify(clock, 'master.welcome.late')) await sleep(clock, 2_000);
    if (!sessions.isCurrent(session)) return;
    sessions.send(session, {
      type: 'welcome',
      masterEpoch: ports.masterEpoch,
      masterVersion: VERSION,
      protocol: session.protocol,
      leaseMs,
      heartbeatMs: Math.max(1, Math.floor(leaseMs / 3)),
      draining: yard.ledger.slave(session.name)?.context.drain !== undefined,
      forget,
      stop,
      held,
    });
    session.welcomed = true;
    // It could not beat while it was kept waiting.
    ports.renewLease(session.name);
    sessions.setOnline(session.name, true);
    for (const run of goingOn) {
      yard.occupy(session.name, run.id, run.context.attempt, run.facts.resources);
    }
    log.info({ slave: session.name, held: held.length }, 'slave welcomed');
    sessions.settle(yard.transact(() => {}));
  }

  async function settle(session: Session, hello: Hello): Promise<void> {
    let kept = await reports.keepAll(hello.reports);
    if (buggify(clock, 'master.report.again') && speaks(session.protocol, '1.1')) kept = [];
    if (!sessions.isCurrent(session)) return;
    let verdicts: Verdicts | undefined;
    await yard.transact((tx) => void (verdicts = reconcile(tx, session, hello, kept)));
    if (verdicts && sessions.isCurrent(session)) await welcome(session, verdicts);
  }

  return async (session, hello) => {
    try {
      await settle(session, hello);
    } catch (error) {
      log.error({ slave: session.name, err: String(error) }, 'handshake failed');
      session.connection.close(isYardError(error) ? error.message : 'internal.handshake: failed');
    }
  };
}

function slotOf({ runId, attempt }: Slot): string {
  return `${runId}.${attempt}`;
}
