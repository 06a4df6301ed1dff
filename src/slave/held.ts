/**
 * The attempts on this slave: what runs, what is to be acknowledged, and what nobody wants any more
 * but is not dead yet (dst.md part 4, steps 3, 5, 7 and 9).
 */
import { buggify } from '../base/buggify.ts';
import { ChurnMap } from '../base/churn-map.ts';
import { messageOf } from '../base/errors.ts';
import type { Ending } from '../protocol/run.ts';
import type { FinishedReport, Hello, ToMaster } from '../protocol/to-master.ts';
import type { Assignment } from '../protocol/to-slave.ts';
import { keyOf, startAttempt } from './attempt.ts';
import type { Attempt, AttemptPorts, Takeover } from './attempt.ts';
import { makeExclusiveWatch } from './exclusive.ts';
import type { ExclusiveWatch } from './exclusive.ts';
import type { Workspace } from './ports.ts';
import { isIncomplete, makeResending } from './resend.ts';

/** Of reports, in the HELLO; the rest follows the welcome. */
const HELLO_REPORT_BYTES_MAX = 128 * 1024;
const HELLO_REPORTS_MAX = 200;
const HELLO_HELD_MAX = 1000;

export interface HeldPorts extends AttemptPorts {
  slots: number;
  workspaceAt: (key: string) => Workspace;
  /** Sends news at once, or with the next message: nobody waits for it. */
  send: (message: ToMaster, urgency: 'now' | 'soon') => void;
  /** Something ended; it may have been the last. */
  onOver: () => void;
}

export interface Held {
  readonly attempts: ReadonlyMap<string, Attempt>;
  /** Whether another may be taken. What only has to die first does not count: that is waited for. */
  readonly hasRoom: boolean;
  readonly isEmpty: boolean;
  readonly exclusive: ExclusiveWatch;
  take: (assignment: Assignment) => void;
  stop: (key: string, ending: Ending) => void;
  stopAll: (ending: Ending) => void;
  /** Nobody wants it any more: it is killed, and removed. */
  forget: (key: string) => void;
  /** Takes up what an earlier process left. */
  resume: () => Promise<void>;
  inHello: () => Pick<Hello, 'held' | 'reports'>;
  /** After a welcome: reports again, and how far the others are; `sizes` of what the master has. */
  handIn: (sizes: ReadonlyMap<string, Readonly<Record<string, number>>>) => void;
}

export function makeHeld(ports: HeldPorts): Held {
  const { log, spool, workspaces, send } = ports;
  const attempts = new ChurnMap<string, Attempt>();
  const resending = makeResending(ports);
  /** Attempts that nobody wants any more, whose processes are not dead yet. */
  const dying = new Set<Promise<void>>();
  /** Reports of the last HELLO. */
  let handedIn = new Set<string>();
  const exclusive = makeExclusiveWatch(ports, attempts);

  function begin(assignment: Assignment, takeover?: Takeover): void {
    const key = keyOf(assignment);
    const { runId, attempt, token } = assignment;
    // What it needs may be what they still have.
    const room = dying.size > 0 ? Promise.all(dying).then(() => {}) : undefined;
    const started = startAttempt(
      assignment,
      ports,
      {
        onPhase(phase) {
          if (phase === 'executing' && assignment.exclusive) exclusive.watch(key);
          const message = { type: 'progress', runId, attempt, token, phase } as const;
          send(message, phase === 'executing' ? 'soon' : 'now');
        },
        onReport(report) {
          send({ type: 'finished', ...report }, 'now');
          ports.onOver();
        },
      },
      { room, ...takeover },
    );
    attempts.set(key, started);
    if (assignment.exclusive) exclusive.watch(key);
  }

  function notRemoved(key: string, error: unknown): void {
    log.warn({ attempt: key, err: messageOf(error) }, 'cannot remove an attempt');
  }

  function stop(key: string, ending: Ending): void {
    attempts.get(key)?.stop(ending);
  }

  function reported(assignment: Assignment, report: FinishedReport, key: string): Attempt {
    const discard = () => workspaces.remove(key);
    return { assignment, report, phase: 'finished', stop: () => {}, discard };
  }

  /** Handed in with the HELLO and held all the same: something of it did not last on the master. */
  function report(
    attempt: Attempt,
    made: FinishedReport,
    sizes: Readonly<Record<string, number>> | undefined,
  ): void {
    const key = keyOf(made);
    if (!handedIn.has(key) || !sizes || !isIncomplete(made, sizes)) {
      return send({ type: 'finished', ...made }, 'now');
    }
    resending.begin(attempt, made, sizes, (now) => {
      if (attempts.get(key) !== attempt) return;
      if (now !== made) {
        attempts.set(key, reported(attempt.assignment, now, key));
        spool.keepReport(key, now).catch((error: unknown) => {
          log.error({ attempt: key, err: messageOf(error) }, 'cannot spool a report');
        });
      }
      send({ type: 'finished', ...now }, 'now');
    });
  }

  return {
    attempts,
    exclusive,
    get hasRoom() {
      let busy = 0;
      for (const attempt of attempts.values()) if (!attempt.report) busy++;
      return busy < ports.slots;
    },
    get isEmpty() {
      return attempts.size === 0 && dying.size === 0;
    },
    take: (assignment) => begin(assignment),
    stop,
    stopAll(ending) {
      for (const attempt of attempts.values()) attempt.stop(ending);
    },
    forget(key) {
      const attempt = attempts.get(key);
      if (!attempt) return;
      attempts.delete(key);
      resending.stop(key);
      const gone = attempt
        .discard()
        .catch((error: unknown) => notRemoved(key, error))
        .then(() => {
          dying.delete(gone);
          ports.onOver();
        });
      if (!attempt.report) dying.add(gone);
    },
    async resume() {
      for (const key of await workspaces.leftOver()) {
        const { assignment, report: made } = await spool.read(key);
        if (assignment && made) attempts.set(key, reported(assignment, made, key));
        else if (assignment) begin(assignment, { workspace: ports.workspaceAt(key) });
        // What stays is looked at again after the next start; this one has work to do.
        else await workspaces.remove(key).catch((error: unknown) => notRemoved(key, error));
      }
      if (attempts.size > 0) log.info({ attempts: attempts.size }, 'taken up after a restart');
    },
    inHello() {
      const reports: FinishedReport[] = [];
      let bytes = buggify(ports.clock, 'slave.hello.bare') ? HELLO_REPORT_BYTES_MAX : 0;
      for (const { report: made } of attempts.values()) {
        if (!made) continue;
        bytes += 1500 + inlineBytes(made) + made.artifacts.length * 200;
        if (bytes > HELLO_REPORT_BYTES_MAX || reports.length >= HELLO_REPORTS_MAX) break;
        reports.push(made);
      }
      handedIn = new Set(reports.map(keyOf));
      const held = [...attempts.values()].slice(0, HELLO_HELD_MAX);
      return {
        held: held.map(({ assignment: { runId, attempt, token }, phase }) => {
          return { runId, attempt, token, phase };
        }),
        reports,
      };
    },
    handIn(sizes) {
      for (const [key, attempt] of attempts) {
        const { report: made, assignment, phase } = attempt;
        if (made) report(attempt, made, sizes.get(key));
        else if (phase !== 'preparing' && phase !== 'finished') {
          const { runId, attempt: number, token } = assignment;
          send({ type: 'progress', runId, attempt: number, token, phase }, 'now');
        }
      }
    },
  };
}

function inlineBytes({ inline }: FinishedReport): number {
  return inline ? inline.stdout.length + inline.stderr.length + inline.combined.length : 0;
}
