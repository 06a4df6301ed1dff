/**
 * The slave's side of the protocol (dst.md part 4, steps 3 to 9, 13, 14): it keeps a link to the
 * master, takes what fits, and goes on working through any outage of link or master.
 */
import type { Timer } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { agentMachine } from '../machines/agent.ts';
import type { AgentContext, AgentEffect, AgentEvent } from '../machines/agent.ts';
import { deriveTable } from '../machines/table.ts';
import type { FinishedReport, Hello, ToMaster } from '../protocol/to-master.ts';
import type { Assignment, ToSlave } from '../protocol/to-slave.ts';
import type { Connection } from '../protocol/transport.ts';
import { PROTOCOL, PROTOCOL_MIN, VERSION } from '../protocol/version.ts';
import { keyOf, startAttempt } from './attempt.ts';
import type { Attempt, AttemptPorts } from './attempt.ts';
import type { Workspace } from './ports.ts';

const table = deriveTable<AgentContext, AgentEvent, AgentEffect>(agentMachine);

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** Refused for what it is, not for when it came: trying again soon is of no use. */
const BACKOFF_REFUSED_MS = 30_000;
/** Of reports, in the HELLO; the rest follows the welcome. */
const HELLO_REPORT_BYTES_MAX = 128 * 1024;
/** News that nobody waits for goes with the next message, or after so long. */
const PROGRESS_DELAY_MS = 10;
/** With as many attempts at once, messages are gathered: each frame is a commit for the master. */
const BUSY_ATTEMPTS = 8;
const BUSY_DELAY_MS = 2;

export interface AgentPorts extends AttemptPorts {
  random: Random;
  connect: () => Promise<Connection<ToMaster, ToSlave>>;
  /** What it is, for the HELLO. */
  facts: Pick<Hello, 'name' | 'incarnation' | 'arch' | 'labels' | 'slots' | 'resources' | 'host'>;
  isolations: readonly string[];
  workspaceAt: (key: string) => Workspace;
}

export interface Agent {
  /** Takes up what an earlier process left, then connects and stays connected. */
  start: () => Promise<void>;
  /** Takes nothing more; resolves when everything is finished and acknowledged, or after `withinMs`. */
  leave: (reason: string, withinMs: number) => Promise<void>;
  /** Resolves when it has left, rejects if this process cannot go on. */
  readonly done: Promise<void>;
  readonly attempts: ReadonlyMap<string, Attempt>;
  readonly state: string;
}

export function makeAgent(ports: AgentPorts): Agent {
  const { clock, log, random, spool, facts } = ports;
  const attempts = new Map<string, Attempt>();
  let state = 'WAITING';
  let context: AgentContext = { masterEpoch: 0, tries: 0, leaving: false };
  let link: Connection<ToMaster, ToSlave> | undefined;
  let refusedFor = 0;
  let outgoing: ToMaster[] = [];
  let flushing = false;
  let progressTimer: Timer | undefined;
  let beat = 0;
  /** Attempts that nobody wants any more, whose processes are not dead yet. */
  let dying = 0;
  /** The next beat, or the end of the wait for a welcome. */
  let watchdog: Timer | undefined;
  let leaseMs = 15_000;
  let renewedAt = 0;
  let finish: () => void = () => {};
  const done = new Promise<void>((resolve) => (finish = resolve));

  const isServing = () => state === 'SERVING';

  function hear(event: AgentEvent): void {
    const decision = table.decide(state, context, event);
    if (!decision) return;
    ({ state, context } = decision);
    for (const effect of decision.effects) effects[effect]();
  }

  const effects: Record<AgentEffect, () => void> = {
    connect() {
      ports.connect().then(
        (connection) => {
          if (state !== 'CONNECTING') return connection.close('slave has left');
          link = connection;
          connection.onMessages((messages) => {
            if (link === connection) for (const message of messages) onMessage(message);
          });
          connection.onClose((why) => {
            if (link === connection) onClosed(why);
          });
          hear({ type: 'link.opened' });
        },
        (error: unknown) => {
          if (context.tries % 10 === 0)
            log.warn({ err: messageOf(error) }, 'cannot reach the master');
          hear({ type: 'link.closed', why: messageOf(error) });
        },
      );
    },
    sendHello() {
      const asked = link;
      asked?.send([hello()]);
      // A master that went without a word would be waited for until its pings are missed.
      watchdog?.cancel();
      watchdog = clock.setTimeout(() => {
        if (state !== 'GREETING' || link !== asked) return;
        asked?.close('hello.silent: no welcome');
        onClosed('no welcome');
      }, 2 * leaseMs);
    },
    resendReports: welcomed,
    waitToRetry() {
      const full = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(context.tries, 10));
      const ms = refusedFor > 0 ? refusedFor : full * (0.5 + random.float() / 2);
      refusedFor = 0;
      clock.setTimeout(() => hear({ type: 'retry.due' }), ms);
    },
    closeLink() {
      const connection = link;
      link = undefined;
      watchdog?.cancel();
      connection?.close('slave closes');
    },
    exit: () => finish(),
  };

  function onClosed(why: string): void {
    link = undefined;
    outgoing = [];
    watchdog?.cancel();
    log.info({ why }, 'link to the master closed');
    hear({ type: 'link.closed', why });
  }

  /** Nothing is sent outside a welcomed session: a later master would take it for news. */
  function send(message: ToMaster): void {
    if (!isServing()) return;
    outgoing.push(message);
    if (flushing) return;
    flushing = true;
    if (attempts.size < BUSY_ATTEMPTS) clock.soon(flush);
    else clock.setTimeout(flush, BUSY_DELAY_MS);
  }

  /** A task that ends within moments costs the master one frame, not two. */
  function sendSoon(message: ToMaster): void {
    if (!isServing()) return;
    outgoing.push(message);
    if (!flushing) progressTimer ??= clock.setTimeout(flush, PROGRESS_DELAY_MS);
  }

  function flush(): void {
    flushing = false;
    progressTimer?.cancel();
    progressTimer = undefined;
    const messages = outgoing;
    outgoing = [];
    if (isServing() && messages.length > 0) link?.send(messages);
  }

  function hello(): Hello {
    const reports: FinishedReport[] = [];
    let bytes = 0;
    for (const { report } of attempts.values()) {
      if (!report) continue;
      bytes += 1500 + inlineBytes(report) + report.artifacts.length * 200;
      if (bytes > HELLO_REPORT_BYTES_MAX || reports.length >= 200) break;
      reports.push(report);
    }
    return {
      type: 'hello',
      ...facts,
      protocol: { min: PROTOCOL_MIN, max: PROTOCOL },
      version: VERSION,
      isolations: [...ports.isolations],
      draining: context.leaving,
      held: [...attempts.values()].slice(0, 1000).map(({ assignment, phase }) => {
        const { runId, attempt, token } = assignment;
        return { runId, attempt, token, phase };
      }),
      reports,
      masterEpoch: context.masterEpoch,
    };
  }

  function onMessage(message: ToSlave): void {
    switch (message.type) {
      case 'welcome':
        return onWelcome(message);
      case 'refuse':
        log.error({ code: message.code }, message.message);
        refusedFor = message.code === 'hello.duplicate' ? 2_000 : BACKOFF_REFUSED_MS;
        return hear({ type: 'refusal.received', code: message.code });
      case 'assign':
        return onAssign(message);
      case 'stop':
        return attempts.get(keyOf(message))?.stop({ kind: 'aborted' });
      case 'acknowledge':
        return forget(keyOf(message));
      case 'renew':
        renewedAt = clock.now();
        return;
      case 'drain':
        return log.info({ note: message.note }, 'drained by the master');
      case 'resume':
        return log.info({}, 'resumed by the master');
    }
  }

  function onWelcome(message: Extract<ToSlave, { type: 'welcome' }>): void {
    if (state !== 'GREETING') return;
    if (message.masterEpoch < context.masterEpoch) {
      log.error(
        { epoch: message.masterEpoch },
        'master.deposed: an older master than one seen before',
      );
    }
    leaseMs = message.leaseMs;
    hear({ type: 'welcome.received', masterEpoch: message.masterEpoch });
    // A deposed master decides nothing here any more.
    if (!isServing()) return;
    for (const stale of message.forget) forget(keyOf(stale));
    for (const wanted of message.stop) attempts.get(keyOf(wanted))?.stop({ kind: 'aborted' });
    renewedAt = clock.now();
    watchdog?.cancel();
    beatEvery(message.heartbeatMs);
  }

  function welcomed(): void {
    void spool.keepEpoch(context.masterEpoch);
    log.info({ epoch: context.masterEpoch }, 'welcomed by the master');
    for (const { report, assignment, phase } of attempts.values()) {
      if (report) send({ type: 'finished', ...report });
      else if (phase !== 'preparing') {
        const { runId, attempt, token } = assignment;
        send({ type: 'progress', runId, attempt, token, phase: phase as 'executing' });
      }
    }
  }

  function beatEvery(ms: number): void {
    watchdog = clock.setTimeout(() => {
      // No renewal for a whole lease: the link is dead and does not know it (step 4).
      if (clock.now() - renewedAt > leaseMs) {
        log.warn({}, 'no word from the master for a lease: connecting anew');
        link?.close('lease.silent: no renewal');
        return onClosed('no renewal');
      }
      send({ type: 'heartbeat', beat: ++beat });
      beatEvery(ms);
    }, ms);
  }

  function onAssign(message: Extract<ToSlave, { type: 'assign' }>): void {
    const { type: _, ...assignment } = message;
    const key = keyOf(assignment);
    // Known: a repeated assign must not start it twice (S11).
    if (attempts.has(key)) return;
    const { runId, attempt, token } = assignment;
    const claim = { runId, attempt, token };
    if (context.leaving) return send({ type: 'reject', ...claim, reason: 'leaving' });
    const busy = [...attempts.values()].filter(({ report }) => !report).length;
    if (busy + dying >= facts.slots)
      return send({ type: 'reject', ...claim, reason: 'no slot free' });
    // Without a bundle it starts at once, which says as much.
    if (assignment.bundle !== undefined) send({ type: 'accept', ...claim });
    take(assignment);
  }

  function take(
    assignment: Assignment,
    resumed?: { workspace: Workspace; sinkSizes: Record<string, number> },
  ): void {
    const { runId, attempt, token } = assignment;
    const started = startAttempt(
      assignment,
      ports,
      {
        onPhase(phase) {
          const message = { type: 'progress', runId, attempt, token, phase } as const;
          if (phase === 'executing') sendSoon(message);
          else send(message);
        },
        onReport(report) {
          send({ type: 'finished', ...report });
          leaveIfOver();
        },
      },
      resumed,
    );
    attempts.set(keyOf(assignment), started);
  }

  function forget(key: string): void {
    const attempt = attempts.get(key);
    if (!attempt) return;
    attempts.delete(key);
    const wasLive = attempt.report ? 0 : 1;
    dying += wasLive;
    const removed = attempt.report ? ports.workspaces.remove(key) : attempt.discard();
    void removed
      .catch((error: unknown) => {
        log.warn({ attempt: key, err: messageOf(error) }, 'cannot remove an attempt');
      })
      .then(() => {
        dying -= wasLive;
        leaveIfOver();
      });
  }

  function leaveIfOver(): void {
    if (context.leaving && attempts.size === 0 && dying === 0) {
      send({ type: 'goodbye', reason: 'drained' });
      clock.setTimeout(() => hear({ type: 'attempts.over' }), 50);
    }
  }

  async function resume(): Promise<void> {
    context = { ...context, masterEpoch: await spool.readEpoch() };
    for (const key of await ports.workspaces.leftOver()) {
      const { assignment, report } = await spool.read(key);
      if (assignment && report) attempts.set(key, reported(assignment, report, key));
      else if (assignment) take(assignment, { workspace: ports.workspaceAt(key), sinkSizes: {} });
      else await ports.workspaces.remove(key);
    }
    if (attempts.size > 0) log.info({ attempts: attempts.size }, 'taken up after a restart');
  }

  function reported(assignment: Assignment, report: FinishedReport, key: string): Attempt {
    const discard = () => ports.workspaces.remove(key);
    return { assignment, report, phase: 'finished', stop: () => {}, discard };
  }

  return {
    attempts,
    done,
    get state() {
      return state;
    },
    async start() {
      await resume();
      hear({ type: 'retry.due' });
    },
    async leave(reason, withinMs) {
      hear({ type: 'leave.requested' });
      leaveIfOver();
      const timer = clock.setTimeout(() => {
        for (const attempt of attempts.values()) attempt.stop({ kind: 'lost', why: reason });
        clock.setTimeout(() => {
          send({ type: 'goodbye', reason });
          clock.setTimeout(() => hear({ type: 'attempts.over' }), 50);
        }, 15_000);
      }, withinMs);
      await done;
      timer.cancel();
    },
  };
}

function inlineBytes({ inline }: FinishedReport): number {
  return inline ? inline.stdout.length + inline.stderr.length + inline.combined.length : 0;
}
