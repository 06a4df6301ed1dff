/** The whole simulated world of one scenario: master, slaves, clients, network, disks, oracles. */
import type { BuggifySite } from '../../src/base/buggify.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Log } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { ProcessSpec } from '../../src/slave/ports.ts';
import { makeBlobDisk } from './blobs.ts';
import { makeClients } from './clients.ts';
import { makeDisk } from './disk.ts';
import { DAMAGES, meet } from './damage.ts';
import { drawFrom } from './draw.ts';
import { comeHome, strike } from './faults.ts';
import type { Reach } from './faults.ts';
import { KIND, makeKernel } from './kernel.ts';
import type { OnEvent } from './kernel.ts';
import { makeSimMaster } from './master.ts';
import { coresOf } from './needs.ts';
import { makeNet } from './net.ts';
import type { Invariant } from './oracles/invariants.ts';
import { makeMirror } from './oracles/mirror.ts';
import type { Answer, MakeOracle, Oracle, Sight } from './oracles/oracle.ts';
import type { Probe } from './oracles/probes.ts';
import { OPEN } from './oracles/open.ts';
import { ORACLES } from './oracles/table.ts';
import type { Scenario, SlavePlan } from './scenario.ts';
import { makeSimSlave } from './slave.ts';
import type { SimSlave } from './slave.ts';
import { drawBehaviour } from './tasks.ts';
import { brief, makeTimeline } from './timeline.ts';

export interface Violation {
  /** One of `INVARIANTS`, or what a tool around the world has to say. */
  oracle: string;
  atMs: number;
  what: string;
}

export interface Outcome {
  seed: string;
  events: number;
  /** Of the scenario, those that struck. */
  faults: number;
  virtualMs: number;
  hash: string;
  runs: number;
  /** What must not be. Empty: all is well. */
  violations: Violation[];
  /** What is known not to hold yet, by oracle (`oracles/table.ts`). */
  open: Violation[];
  /** How often each situation occurred that must, sometimes. */
  probes: Partial<Record<Probe, number>>;
  /** How often something rare happened, by its place in the code. */
  buggified: Partial<Record<BuggifySite, number>>;
  timeline: readonly string[];
}

export interface SimulateOptions {
  timeline?: boolean;
  /** Stop at the first violation; on unless told otherwise. */
  stopsAtFirst?: boolean;
  onEvent?: OnEvent;
  /** One that only looks, beside the oracles. */
  observer?: MakeOracle | undefined;
}

const STUCK_AFTER_MS = 12 * 60_000;
const LOOK_MS = 5_000;
/** Of one oracle: what repeats itself does not hide what others find. */
const VIOLATIONS_MAX = 5;
/** Far more than any scenario takes: beyond, something goes in a circle. */
const EVENTS_MAX = 200_000;
const EVENTS_PER_RUN_MAX = 20_000;

/** Plays a scenario to its end. Call it in a macrotask (`inMacrotask`). */
export function simulate(scenario: Scenario, options: SimulateOptions = {}): Outcome {
  const violations: Violation[] = [];
  const open: Violation[] = [];
  const probes: Partial<Record<Probe, number>> = {};
  const buggified: Outcome['buggified'] = {};
  let healedAtMs: number | undefined;
  const kernel = makeKernel((error, life) => {
    const stack = error instanceof Error ? error.stack : String(error);
    report('X1', `${life?.name ?? 'the world'} threw ${stack}`);
  }, options.onEvent);
  const timeline = options.timeline ? makeTimeline(() => kernel.now) : undefined;
  const root = drawFrom(seededRandom(`world/${scenario.seed}`));

  function report(oracle: Invariant, what: string): void {
    const list = oracle in OPEN ? open : violations;
    timeline?.add('ORACLE', `${oracle} ${what}`);
    const told = list.filter((violation) => violation.oracle === oracle).length;
    if (told < VIOLATIONS_MAX) list.push({ oracle, atMs: kernel.now / 1000, what });
    if (list === violations && options.stopsAtFirst !== false) kernel.stop();
  }

  const mirror = makeMirror(report);
  const blobs = makeBlobDisk();
  const net = makeNet(kernel, root.fork('net'), scenario.net);
  const oracles: Oracle[] = [];
  const hear = <K extends keyof Oracle>(name: K) =>
    oracles.flatMap((oracle) => (oracle[name] ? [oracle[name]] : [])) as NonNullable<Oracle[K]>[];
  const disk = makeDisk(
    kernel,
    root.fork('disk'),
    scenario.disk,
    (group) => {
      const change = mirror.read(group);
      if (timeline) {
        for (const { event } of change.steps) {
          const { run, state, by } = event;
          timeline.add('disk', `run ${run} ${state} by ${by}: ${brief(event.event)}`);
        }
      }
      for (const onChange of onChanges) onChange(change);
      mirror.keep(change);
    },
    scenario.faults.some(({ kind }) => kind === 'master.disk.damage'),
  );
  const rare = new Set(scenario.buggify?.sites);
  /** Each machine has chances of its own. */
  function buggifyOf(who: string): ((site: BuggifySite) => boolean) | undefined {
    if (rare.size === 0) return undefined;
    const draw = root.fork(`buggify:${who}`);
    return (site) => {
      if (healedAtMs !== undefined || !rare.has(site) || !draw.chance(scenario.buggify!.rate)) {
        return false;
      }
      buggified[site] = (buggified[site] ?? 0) + 1;
      timeline?.add(who, `buggify ${site}`);
      return true;
    };
  }
  const log = (who: string): Log => (timeline ? logInto(timeline.add, who) : silentLog);
  const serviceNow = () => master.master!.service;

  const master = makeSimMaster({
    kernel,
    net,
    draw: root.fork('master'),
    buggify: buggifyOf('master'),
    log: log('master'),
    disk,
    blobs,
    leaseMs: scenario.leaseMs,
    echoes: (name) => slaves.get(name)?.echoes ?? false,
    rate: scenario.masterRate,
    wallOffsetMs: scenario.masterWallOffsetMs,
    onSends(session, message) {
      timeline?.add('master', `-> ${session.slave ?? '?'} ${brief(message)}`);
      for (const on of onMasterSends) on(session, message);
    },
    onHears(session, message) {
      timeline?.add('master', `<- ${session.slave ?? '?'} ${brief(message)}`);
      for (const on of onMasterHears) on(session, message);
    },
    onCommit: (isEmpty, because) => {
      for (const on of onCommits) on(isEmpty, because);
    },
    onAppend: (...args) => {
      for (const on of onAppends) on(...args);
    },
    onServes() {
      timeline?.add('master', 'serves');
      for (const on of onMasterServes) on();
    },
    onOver(why) {
      timeline?.add('master', `over: ${why}`);
      restartMaster();
    },
  });

  // Slaves.

  const behaviours = new Map(scenario.runs.map((plan) => [plan.index, plan.task]));
  const tasks = root.fork('tasks');
  const slaves = new Map<string, SimSlave>();
  const twins = new Set<SimSlave>();

  function behaviourOf({ key, argv }: ProcessSpec) {
    const index = Number(argv[1]);
    const attempt = key.slice(key.lastIndexOf('.') + 1);
    return drawBehaviour(tasks.fork(`${index}.${attempt}`), behaviours.get(index)!, key);
  }

  function makeSlave(plan: SlavePlan, who: string): SimSlave {
    const slave: SimSlave = makeSimSlave({
      kernel,
      net,
      draw: root.fork(who),
      buggify: buggifyOf(who),
      log: log(who),
      plan,
      behaviourOf,
      service: serviceNow,
      onSends(message) {
        timeline?.add(who, `-> master ${brief(message)}`);
        for (const on of onSlaveSends) on(slave, message);
      },
      onHears(message) {
        timeline?.add(who, `<- master ${brief(message)}`);
        for (const on of onSlaveHears) on(slave, message);
      },
      onSpawn(process) {
        timeline?.add(who, `spawns ${process.key} for ${process.behaviour.durationMs} ms`);
        for (const on of onSpawns) on(slave, process);
      },
      onExit(process) {
        timeline?.add(who, `${process.key} ended: ${brief(process.end!)}`);
        for (const on of onExits) on(slave, process);
      },
      onOver(why) {
        timeline?.add(who, `over: ${why}`);
        restartSlave(slave);
      },
    });
    return slave;
  }

  const restarts = root.fork('restarts');
  const restartDelay = () => 1000 * restarts.between(100, scenario.restartMaxMs);

  function restartMaster(): void {
    kernel.after(restartDelay(), KIND.world, master.start);
  }

  function restartSlave(slave: SimSlave): void {
    if (!slave.isGone) kernel.after(restartDelay(), KIND.world, slave.start);
  }

  for (const plan of scenario.slaves) slaves.set(plan.name, makeSlave(plan, plan.name));

  const clients = makeClients({
    kernel,
    net,
    draw: root.fork('clients'),
    scenario,
    service: serviceNow,
    onAnswer(answer: Answer, askedAtMs: number) {
      timeline?.add('master', `answers ${brief(answer)}`);
      for (const on of onAnswers) on(answer, askedAtMs);
    },
    onResume(slave, isOver) {
      for (const on of onResumes) on(slave, isOver);
    },
    onDrainOver(slave) {
      for (const oracle of oracles) oracle.onDrainOver?.(slave);
    },
    report,
  });

  // Oracles.

  const sight: Sight = {
    kernel,
    scenario,
    mirror,
    blobs,
    master,
    slaves,
    openRequests: () => [...clients.open],
    get healedAtMs() {
      return healedAtMs;
    },
    get nowMs() {
      return kernel.now / 1000;
    },
    disk,
    report,
    probe: (name) => void (probes[name] = (probes[name] ?? 0) + 1),
  };
  oracles.push(...ORACLES.map((make) => make(sight)));
  if (options.observer) oracles.push(options.observer(sight));
  const onChanges = hear('onChange');
  const onMasterSends = hear('onMasterSends');
  const onMasterHears = hear('onMasterHears');
  const onCommits = hear('onCommit');
  const onSlaveHears = hear('onSlaveHears');
  const onSlaveSends = hear('onSlaveSends');
  const onSpawns = hear('onSpawn');
  const onExits = hear('onExit');
  const onAppends = hear('onAppend');
  const onAnswers = hear('onAnswer');
  const onResumes = hear('onResume');
  const onMasterServes = hear('onMasterServes');

  // Faults, then healing.

  const cores = new Set(coresOf(scenario.slaves).map(({ name }) => name));
  const reach: Reach = {
    kernel,
    net,
    draw: root.fork('faults'),
    scenario,
    master,
    disk,
    slaves,
    clients,
    damage(draw) {
      if (disk.groups.length < 3) return;
      // One at a time: each reads the whole disk.
      const { fault } = meet(disk.groups, draw.pick(DAMAGES), draw);
      if (fault !== undefined) report('S27', fault);
    },
    claims: () =>
      (master.master?.yard.ledger.liveRuns() ?? []).map(({ id, context: { attempt } }) => {
        return { runId: id, attempt };
      }),
    later: (ms, act) =>
      void kernel.after(ms * 1000, KIND.fault, () => healedAtMs === undefined && act()),
    isCore: (slave) => cores.has(slave),
    restartMaster,
    restartSlave,
    startTwin(name, forMs) {
      const who = `${name}twin${twins.size}`;
      const twin = makeSlave(slaves.get(name)!.plan, who);
      twins.add(twin);
      twin.start();
      kernel.after(forMs * 1000, KIND.fault, () => endTwin(twin));
    },
  };
  let struck = 0;

  function endTwin(twin: SimSlave): void {
    twin.isGone = true;
    twin.losePower(root.fork('twins'));
  }

  function heal(): void {
    healedAtMs = kernel.now / 1000;
    timeline?.add('world', 'heals');
    net.heal();
    disk.heal();
    for (const twin of twins) if (!twin.isGone) endTwin(twin);
    if (scenario.profile === 'everything') loseSome();
    for (const slave of slaves.values()) {
      if (!slave.protocol) continue;
      // The last of them are upgraded: with these alone some runs could never end.
      slave.protocol = undefined;
      slave.kill();
      restartSlave(slave);
    }
    for (const life of [master.life, ...[...slaves.values()].map((slave) => slave.life)]) {
      if (!life?.alive) continue;
      life.costUs = 0;
      if (life.paused) kernel.resume(life);
    }
    for (const slave of slaves.values()) {
      slave.journal.heal();
      slave.echoes = false;
      comeHome(slave, root.fork(`home:${slave.plan.name}`), restartSlave);
    }
    for (const { name } of scenario.slaves) clients.resume(name);
    if (scenario.drainsAfter !== undefined) clients.drainAfter(scenario.drainsAfter);
    for (const oracle of oracles) oracle.onHeal?.();
  }

  /** What is left of the cluster has to do with half of those that it can do without. */
  function loseSome(): void {
    const spare = [...slaves.values()].filter(({ plan }) => !cores.has(plan.name));
    for (const slave of spare.slice(0, Math.ceil(spare.length / 2))) {
      slave.isGone = true;
      slave.losePower(root.fork('gone'));
    }
  }

  // Progress.

  let progressAtMs = 0;
  let seen = 0;
  let restUntilMs: number | undefined;
  let ending: 'rest' | 'stuck' | undefined;

  function look(): void {
    const nowMs = kernel.now / 1000;
    if (mirror.lastSeq !== seen) {
      seen = mirror.lastSeq;
      progressAtMs = nowMs;
    }
    if (healedAtMs !== undefined) {
      const isIdle = mirror.undone === 0 && clients.open.size === 0;
      if (!isIdle) restUntilMs = undefined;
      else restUntilMs ??= nowMs + 2 * scenario.leaseMs + 60_000;
      if (restUntilMs !== undefined && nowMs >= restUntilMs) ending = 'rest';
      else if (nowMs - Math.max(progressAtMs, healedAtMs) > STUCK_AFTER_MS) ending = 'stuck';
    }
    if (!ending) kernel.after(LOOK_MS * 1000, KIND.world, look);
  }

  master.start();
  for (const slave of slaves.values()) {
    kernel.after(slave.plan.joinsAtMs * 1000, KIND.world, slave.start);
  }
  clients.start();
  for (const fault of scenario.faults) {
    kernel.after(fault.atMs * 1000, KIND.fault, () => {
      struck++;
      for (const oracle of oracles) oracle.onFault?.(fault);
      timeline?.add('FAULT', brief(fault));
      strike(reach, fault);
    });
  }
  kernel.after(scenario.healsAtMs * 1000, KIND.world, heal);
  look();

  // Traces of errors that are expected cost more than the errors; a replay shows them.
  const traceLimit = Error.stackTraceLimit;
  if (!options.timeline) Error.stackTraceLimit = 0;
  const onRejection = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : String(error);
    report('X2', `a rejection that nobody handles: ${stack}`);
  };
  process.on('unhandledRejection', onRejection);
  try {
    const eventsMax = EVENTS_MAX + EVENTS_PER_RUN_MAX * scenario.runs.length;
    kernel.run(() => ending !== undefined || kernel.events > eventsMax);
    if (kernel.events > eventsMax) report('X5', `no end after ${eventsMax} events`);
    if (violations.length === 0) {
      for (const oracle of oracles) oracle.onEnd?.(ending !== 'rest');
    }
  } finally {
    process.off('unhandledRejection', onRejection);
    Error.stackTraceLimit = traceLimit;
  }
  return {
    seed: scenario.seed,
    events: kernel.events,
    faults: struck,
    virtualMs: kernel.now / 1000,
    hash: kernel.hash,
    runs: mirror.runs.size,
    violations,
    open,
    probes,
    buggified,
    timeline: timeline?.lines ?? [],
  };
}

function logInto(add: (who: string, what: string) => void, who: string): Log {
  const say = (level: string) => (fields: object, message: string) =>
    add(who, `${level}: ${message} ${brief(fields)}`);
  const log: Log = {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: () => log,
  };
  return log;
}
