/**
 * The slave's side of the protocol (dst.md part 4, steps 3 to 9, 13, 14): it keeps a link to the
 * master, takes what fits, and goes on working through any outage of link or master.
 */
import { buggify } from '../base/buggify.ts';
import type { Timer } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { agentMachine } from '../machines/agent.ts';
import type { AgentContext, AgentEffect, AgentEvent } from '../machines/agent.ts';
import { deriveTable } from '../machines/table.ts';
import type { Hello, ToMaster } from '../protocol/to-master.ts';
import type { ToSlave } from '../protocol/to-slave.ts';
import type { Connection } from '../protocol/transport.ts';
import { PROTOCOL, PROTOCOL_MIN, VERSION, speaks } from '../protocol/version.ts';
import { keyOf } from './attempt.ts';
import type { Attempt, AttemptPorts } from './attempt.ts';
import { makeHeld } from './held.ts';
import { makeOutbox } from './outbox.ts';
import type { AttemptKey, Workspace } from './ports.ts';

const table = deriveTable<AgentContext, AgentEvent, AgentEffect>(agentMachine);

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** Refused for what it is, not for when it came: trying again soon is of no use. */
const BACKOFF_REFUSED_MS = 30_000;
/** Of clocks against each other, at most. */
const DRIFT = 0.01;
/** A repetition comes soon after, if at all. */
const ASSIGNED_MAX = 1000;

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
  const held = makeHeld({
    ...ports,
    slots: facts.slots,
    send(message, urgency) {
      if (isServing()) outbox[urgency === 'now' ? 'put' : 'putSoon'](message);
    },
    onOver: leaveIfOver,
  });
  const { attempts } = held;
  const outbox = makeOutbox(
    clock,
    () => attempts.size,
    (messages) => {
      if (isServing()) link?.send(messages);
    },
  );
  let state = 'WAITING';
  let context: AgentContext = { masterEpoch: 0, tries: 0, leaving: false };
  let link: Connection<ToMaster, ToSlave> | undefined;
  let refusedFor = 0;
  /** What came before the welcome of this link. */
  let early: ToSlave[] = [];
  let beat = 0;
  /** The next beat, or the end of the wait for a welcome. */
  let watchdog: Timer | undefined;
  /** When each beat that has no answer yet was sent: the lease runs from there. */
  const sentAt = new Map<number, number>();
  /** The last attempts that were assigned on this link, also those that were refused or are over. */
  const assigned = new Set<AttemptKey>();
  let greetedAt = 0;
  /** By the master's word; on disk, so that an earlier master's grants still find it (step 14). */
  let isDrained = false;
  let sizesHeld = new Map<string, Record<string, number>>();
  let leaseMs = 15_000;
  let masterProtocol = PROTOCOL_MIN;
  let leaseUntil = 0;
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
          assigned.clear();
          connection.onMessages((messages) => {
            // What was sent before the lease was over may have been taken back since.
            if (isServing() && clock.now() > leaseUntil) return silent();
            for (const message of messages) {
              // The one before may have ended the link, and what that master says counts no more.
              if (link !== connection) return;
              onMessage(message);
            }
          });
          connection.onClose((why) => {
            if (link === connection) onClosed(why);
          });
          const greet = () => link === connection && hear({ type: 'link.opened' });
          if (buggify(clock, 'slave.hello.late')) clock.setTimeout(greet, 200);
          else greet();
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
      early = [];
      greetedAt = clock.now();
      asked?.send([hello()]);
      // A master that went without a word would be waited for until its pings are missed.
      watchdog?.cancel();
      watchdog = clock.setTimeout(() => {
        asked?.close('hello.silent: no welcome');
        onClosed('no welcome');
      }, 2 * leaseMs);
    },
    resendReports: welcomed,
    waitToRetry() {
      // Well within a lease, or a master that stood still would give us up before we are back.
      const most = Math.min(BACKOFF_MAX_MS, leaseMs / 3);
      const full = Math.min(most, BACKOFF_MIN_MS * 2 ** Math.min(context.tries, 10));
      const spread = buggify(clock, 'slave.retry.soon') ? 0 : full * (0.5 + random.float() / 2);
      const ms = refusedFor > 0 ? refusedFor : spread;
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
    outbox.clear();
    watchdog?.cancel();
    log.info({ why }, 'link to the master closed');
    hear({ type: 'link.closed', why });
  }

  /** Nothing is sent outside a welcomed session: a later master would take it for news. */
  function send(message: ToMaster): void {
    if (isServing()) outbox.put(message);
  }

  function hello(): Hello {
    return {
      type: 'hello',
      ...facts,
      protocol: { min: PROTOCOL_MIN, max: PROTOCOL },
      version: VERSION,
      isolations: [...ports.isolations],
      draining: context.leaving || isDrained,
      ...held.inHello(),
      masterEpoch: context.masterEpoch,
    };
  }

  function onMessage(message: ToSlave): void {
    // Whether that master is to be obeyed is known with its welcome.
    const isHello = message.type === 'welcome' || message.type === 'refuse';
    if (state === 'GREETING' && !isHello) early.push(message);
    else obey(message);
  }

  function obey(message: ToSlave): void {
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
        return held.stop(keyOf(message), { kind: 'aborted' });
      case 'acknowledge':
        return held.forget(keyOf(message));
      case 'renew':
        return onRenew(message.beat);
      case 'drain':
        log.info({ note: message.note }, 'drained by the master');
        return setDrained(true);
      case 'resume':
        log.info({}, 'resumed by the master');
        return setDrained(false);
    }
  }

  function onWelcome(message: Extract<ToSlave, { type: 'welcome' }>): void {
    if (state !== 'GREETING') return;
    const leaseEndsAt = greetedAt + message.leaseMs * (1 - DRIFT);
    // It was under way for so long that we may be given up, and drained, since.
    if (clock.now() > leaseEndsAt) return silent();
    if (message.masterEpoch < context.masterEpoch) {
      log.error(
        { epoch: message.masterEpoch },
        'master.deposed: an older master than one seen before',
      );
    } else for (const said of early) obey(said);
    leaseMs = message.leaseMs;
    masterProtocol = message.protocol;
    sizesHeld = new Map(message.held.map((named) => [keyOf(named), named.sizes]));
    hear({ type: 'welcome.received', masterEpoch: message.masterEpoch });
    // A deposed master decides nothing here any more.
    if (!isServing()) return;
    setDrained(message.draining);
    for (const stale of message.forget) held.forget(keyOf(stale));
    for (const wanted of message.stop) held.stop(keyOf(wanted), { kind: 'aborted' });
    sentAt.clear();
    leaseUntil = leaseEndsAt;
    held.exclusive.renew(leaseEndsAt, leaseMs);
    watchdog?.cancel();
    beatEvery(message.heartbeatMs);
  }

  function welcomed(): void {
    spool.keepEpoch(context.masterEpoch).catch((error: unknown) => {
      log.error({ err: messageOf(error) }, 'cannot note the epoch of the master');
    });
    log.info({ epoch: context.masterEpoch }, 'welcomed by the master');
    held.handIn(sizesHeld);
  }

  /** The master's lease runs from its answer, ours from the beat: ours is over first (step 4). */
  function onRenew(answered: number): void {
    const at = sentAt.get(answered);
    for (const earlier of sentAt.keys()) if (earlier <= answered) sentAt.delete(earlier);
    if (at === undefined) return;
    leaseUntil = at + leaseMs * (1 - DRIFT);
    held.exclusive.renew(at + leaseMs * (1 - DRIFT), leaseMs);
  }

  /** Says so only once it is on disk: whoever asked for it then knows that nothing more starts. */
  function setDrained(drained: boolean): void {
    const isNews = drained !== isDrained;
    isDrained = drained;
    const kept = isNews ? spool.keepDrained(drained) : Promise.resolve();
    kept.then(
      () => (context.leaving || (isDrained && drained)) && tellDrained(),
      (error: unknown) => log.error({ err: messageOf(error) }, 'cannot note a drain'),
    );
  }

  function tellDrained(): void {
    if (speaks(masterProtocol, '1.1')) send({ type: 'drained', leaving: context.leaving });
  }

  function silent(): void {
    log.warn({}, 'no word from the master for a lease: connecting anew');
    link?.close('lease.silent: no renewal');
    onClosed('no renewal');
  }

  function beatEvery(ms: number): void {
    watchdog = clock.setTimeout(() => {
      // No renewal for a whole lease: the link is dead and does not know it (step 4).
      if (clock.now() > leaseUntil) return silent();
      if (!buggify(clock, 'slave.beat.skipped')) {
        send({ type: 'heartbeat', beat: ++beat });
        sentAt.set(beat, clock.now());
      }
      beatEvery(ms);
    }, ms);
  }

  function onAssign(message: Extract<ToSlave, { type: 'assign' }>): void {
    const { type: _, ...assignment } = message;
    const key = keyOf(assignment);
    // Known: a repeated assign must not start it twice (S11), nor one that was refused.
    if (attempts.has(key) || assigned.has(key)) return;
    assigned.add(key);
    if (assigned.size > ASSIGNED_MAX) assigned.delete(assigned.values().next().value!);
    const { runId, attempt, token } = assignment;
    const claim = { runId, attempt, token };
    const reject = (reason: string) => send({ type: 'reject', ...claim, reason });
    if (context.leaving) return reject('leaving');
    if (isDrained) return reject('drained');
    if (assignment.exclusive && !held.exclusive.isLeased) return reject('lease is ending');
    if (!held.hasRoom) return reject('no slot free');
    if (buggify(clock, 'slave.assign.refused')) return reject('not now');
    // Without a bundle it starts at once, which says as much.
    if (assignment.bundle !== undefined) send({ type: 'accept', ...claim });
    held.take(assignment);
  }

  function leaveIfOver(): void {
    if (context.leaving && held.isEmpty) {
      send({ type: 'goodbye', reason: 'drained' });
      clock.setTimeout(() => hear({ type: 'attempts.over' }), 50);
    }
  }

  async function resume(): Promise<void> {
    context = { ...context, masterEpoch: await spool.readEpoch() };
    isDrained = await spool.readDrained();
    await held.resume();
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
      tellDrained();
      leaveIfOver();
      const timer = clock.setTimeout(() => {
        held.stopAll({ kind: 'lost', why: reason });
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
