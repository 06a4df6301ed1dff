/** Draws a scenario: each class of faults is on or off for a seed, and has a rate of its own. */
import { BUGGIFY_SITES } from '../../src/base/buggify.ts';
import { seededRandom } from '../../src/base/random.ts';
import { PROTOCOL_MIN } from '../../src/protocol/version.ts';
import type { RunRequestInput } from '../../src/protocol/run.ts';
import { drawFrom } from './draw.ts';
import type { Draw } from './draw.ts';
import { weave } from './graphs.ts';
import { drawNeeds } from './needs.ts';
import { calmAfterMs } from './oracles/liveness.ts';
import { FAULT_KINDS } from './scenario.ts';
import type {
  DrainPlan,
  Fault,
  FaultKind,
  Profile,
  RunPlan,
  Scenario,
  SlavePlan,
} from './scenario.ts';
import { BUNDLES } from './tasks.ts';
import type { TaskPlan } from './tasks.ts';

export interface SwarmOptions {
  profile?: Profile | undefined;
  slaves?: number | undefined;
  runs?: number | undefined;
}

const ARCHES = ['x86_64', 'aarch64'];

export function drawScenario(seed: number | string, options: SwarmOptions = {}): Scenario {
  const draw = drawFrom(seededRandom(`sim/${seed}`));
  const profile = options.profile ?? drawProfile(draw.fork('profile'));
  const knobs = draw.fork('knobs');
  const isCalm = profile === 'calm';
  const plain = drawSlaves(draw.fork('slaves'), options.slaves);
  if (profile === 'everything') drawSkew(draw.fork('skew'), plain);
  const leaseMs = knobs.pick([3_000, 15_000, 15_000]);
  const healsAtMs = isCalm ? 60_000 : knobs.between(90_000, 300_000);
  const clients = knobs.int(1, 3);
  const single = drawRuns(draw.fork('runs'), {
    count: options.runs,
    clients,
    untilMs: healsAtMs * 0.8,
  });
  const { runs: woven, jobs } = weave(draw.fork('graphs'), single);
  const late =
    options.runs === undefined
      ? drawLate(draw.fork('late'), { leaseMs, clients, healsAtMs, from: single.length })
      : [];
  const { slaves, runs } = drawNeeds(draw.fork('needs'), plain, [...woven, ...late]);
  drawOnlookers(draw.fork('onlookers'), runs);
  return {
    seed: String(seed),
    profile,
    leaseMs,
    net: {
      latencyMinUs: 100,
      latencyMeanUs: knobs.pick([200, 1_000, 20_000]),
      // A frame that is late for a whole lease is no fault of the master.
      spikeRate: profile === 'everything' ? knobs.pick([0, 0.001, 0.02]) : 0,
      spikeMaxUs: 3e6,
    },
    disk: {
      readUs: draw.fork('reads').pick([50, 50, 50, 5_000]),
      syncMinUs: 300,
      syncMeanUs: knobs.pick([500, 4_000]),
      stallRate: isCalm ? 0 : knobs.pick([0, 0.002, 0.02]),
      stallMaxUs: 2e6,
    },
    masterRate: 1 + knobs.between(-5e-4, 5e-4),
    masterWallOffsetMs: knobs.between(-1000, 1000),
    buggify: profile === 'everything' ? drawBuggify(draw.fork('buggify')) : undefined,
    restartMaxMs: knobs.pick([1_000, 10_000]),
    slaves,
    clients,
    runs,
    jobs,
    drainsAfter: knobs.chance(0.15) ? knobs.pick(slaves).name : undefined,
    drains: isCalm ? [] : drawDrains(draw.fork('drains'), slaves, healsAtMs),
    faults: drawFaults(draw.fork('faults'), { profile, slaves, leaseMs, untilMs: healsAtMs }),
    isRead: draw.fork('readers').chance(0.25),
    healsAtMs,
  };
}

function drawProfile(draw: Draw): Profile {
  const at = draw.float();
  if (at < 0.05) return 'calm';
  return at < 0.25 ? 'master' : 'everything';
}

function drawSlaves(draw: Draw, count = draw.int(2, 5)): SlavePlan[] {
  return Array.from({ length: count }, (_, i) => {
    const slots = draw.int(1, 4);
    return {
      name: `s${i + 1}`,
      arch: i < ARCHES.length ? ARCHES[i]! : draw.pick(ARCHES),
      labels: i === 0 || draw.chance(0.5) ? { pool: 'a' } : {},
      slots,
      resources: { cpus: slots, memoryMb: 1024 * slots },
      rate: 1 + draw.between(-5e-4, 5e-4),
      wallOffsetMs: draw.between(-60_000, 60_000),
      joinsAtMs: draw.chance(0.8) ? draw.float() * 100 : draw.float() * 30_000,
    };
  });
}

/** As in FoundationDB: a quarter of the places in a run that has any. */
function drawBuggify(draw: Draw): Scenario['buggify'] {
  if (draw.chance(0.4)) return undefined;
  return {
    sites: BUGGIFY_SITES.filter(() => draw.chance(0.25)),
    rate: draw.pick([0.02, 0.1, 0.25]),
  };
}

/** Some slaves are of the release before. */
function drawSkew(draw: Draw, slaves: SlavePlan[]): void {
  if (draw.chance(0.6)) return;
  for (const slave of slaves) if (draw.chance(0.4)) slave.protocolMax = PROTOCOL_MIN;
}

function drawRuns(
  draw: Draw,
  {
    count = draw.int(8, 40),
    clients,
    untilMs,
  }: { count?: number | undefined; clients: number; untilMs: number },
): RunPlan[] {
  const bursts = draw.chance(0.5);
  const exclusiveRate = draw.chance(0.15) ? 0.4 : 0.05;
  return Array.from({ length: count }, (_, index) => {
    const chance = draw.fork(`run:${index}`);
    const atMs = 200 + (bursts ? Math.floor(chance.float() * 4) / 4 : chance.float()) * untilMs;
    const plan: RunPlan = {
      index,
      atMs,
      client: chance.int(0, clients - 1),
      ...drawRequest(chance, index, exclusiveRate),
    };
    if (chance.chance(0.12)) plan.abortAtMs = atMs + chance.exponential(15_000);
    if (chance.chance(0.08)) plan.twice = true;
    if (chance.chance(0.04)) plan.conflict = true;
    if (chance.chance(0.04)) plan.rerun = true;
    return plan;
  });
}

/** Some that are asked for when all has been calm for a while: what is wrong for ever shows then. */
function drawLate(
  draw: Draw,
  at: { leaseMs: number; clients: number; healsAtMs: number; from: number },
): RunPlan[] {
  if (draw.chance(0.8)) return [];
  return Array.from({ length: draw.int(1, 3) }, (_, number) => {
    const chance = draw.fork(`late:${number}`);
    const index = at.from + number;
    const calmAtMs = at.healsAtMs + calmAfterMs(at);
    const { request, task } = drawRequest(chance, index, 0.05);
    return {
      index,
      atMs: calmAtMs + chance.between(0, 30_000),
      client: chance.int(0, at.clients - 1),
      request,
      task: { ...task, durationMinMs: 2_000, durationMaxMs: 60_000 },
    };
  });
}

function drawRequest(
  draw: Draw,
  index: number,
  exclusiveRate: number,
): { request: RunRequestInput; task: TaskPlan } {
  const long = draw.chance(0.15);
  const task: TaskPlan = {
    durationMinMs: 5,
    durationMaxMs: long ? 120_000 : draw.pick([200, 4_000, 20_000]),
    failRate: draw.pick([0, 0, 0.3, 0.9]),
    signalRate: draw.pick([0, 0.1]),
    hangRate: draw.pick([0, 0, 0.5]),
    ignoreTermRate: draw.pick([0, 0.5]),
    childRate: draw.pick([0, 0, 0.4]),
    quietRate: draw.pick([0.2, 0.9]),
    floodRate: draw.pick([0, 0, 0.5]),
    unstartableRate: draw.pick([0, 0, 0, 0.2]),
  };
  const mayHang = task.hangRate > 0;
  const isNowhere = draw.chance(0.03);
  const request: RunRequestInput = {
    argv: ['task', String(index)],
    key: `key-${index}`,
    priority: draw.pick([0, 0, 0, 10, -10]),
    retries: draw.pick([0, 0, 1, 3]),
    lostMax: draw.pick([5, 5, 50]),
    graceMs: draw.pick([100, 2_000, 10_000]),
    outputBytesMax: draw.pick([4_096, 65_536]),
    timeoutMs: mayHang ? Math.floor(draw.between(2_000, 30_000)) : draw.pick([0, 0, 60_000]),
    outputTimeoutMs: draw.chance(0.1) ? 20_000 : 0,
    queueTimeoutMs: isNowhere ? 30_000 : draw.chance(0.1) ? draw.pick([3_000, 20_000]) : 0,
    retry: { backoffMs: draw.pick([100, 1_000]), backoffMaxMs: 10_000 },
  };
  if (isNowhere) request.arch = 's390x';
  else if (draw.chance(0.5)) request.arch = draw.pick(ARCHES);
  if (request.arch !== 'aarch64' && draw.chance(0.15)) request.labels = { pool: 'a' };
  if (draw.chance(0.2)) request.resources = { cpus: 1 };
  if (draw.chance(exclusiveRate)) request.exclusive = true;
  if (draw.chance(0.15)) request.bundle = draw.pick(BUNDLES).id;
  return { request, task };
}

function drawOnlookers(draw: Draw, runs: RunPlan[]): void {
  if (draw.chance(0.7)) return;
  for (const run of runs) if (draw.chance(0.1)) run.isWatched = true;
}

function drawDrains(draw: Draw, slaves: SlavePlan[], untilMs: number): DrainPlan[] {
  if (draw.chance(0.5)) return [];
  return Array.from({ length: draw.int(1, 4) }, () => {
    const plan: DrainPlan = { atMs: draw.between(5_000, untilMs), slave: draw.pick(slaves).name };
    if (draw.chance(0.7)) plan.forMs = draw.between(1_000, 60_000);
    return plan;
  });
}

/** Relative rates of the classes, when they are on. */
const WEIGHTS: Record<FaultKind, number> = {
  'master.kill': 2,
  'master.power': 1,
  'master.stop': 1,
  'master.pause': 2,
  'master.slow': 1,
  'master.clock': 1,
  'master.disk.fail': 1,
  'master.disk.full': 0.5,
  'master.disk.damage': 0.3,
  'master.loop': 0.3,
  'slave.kill': 4,
  'slave.power': 2,
  'slave.pause': 2,
  'slave.slow': 1,
  'slave.clock': 2,
  'slave.leave': 0.7,
  'slave.gone': 0.3,
  'slave.wipe': 0.5,
  'slave.disk.full': 0.7,
  'slave.twin': 0.6,
  'slave.disk.fail': 1,
  'slave.disk.swap': 0.5,
  'slave.loop': 0.5,
  'slave.skew': 0.5,
  'net.cut': 8,
  'net.block': 3,
  'net.blockIn': 2,
  'net.blockOut': 2,
  'net.slow': 1,
  'net.swizzle': 1,
  'net.flap': 1,
  'client.block': 1,
  storm: 1,
  'master.deposed': 0.7,
  'slave.foreign': 0.5,
  'net.echo': 0.7,
  stranger: 1,
};

const MASTER_ONLY: readonly FaultKind[] = [
  'master.kill',
  'master.power',
  'master.stop',
  'master.pause',
  'master.clock',
  'master.disk.fail',
  'master.loop',
  'slave.clock',
];

function drawFaults(
  draw: Draw,
  {
    profile,
    slaves,
    leaseMs,
    untilMs,
  }: { profile: Profile; slaves: SlavePlan[]; leaseMs: number; untilMs: number },
): Fault[] {
  if (profile === 'calm') return [];
  const kinds = profile === 'master' ? MASTER_ONLY : FAULT_KINDS;
  const isMaster = (kind: FaultKind) => profile === 'master' && kind.startsWith('master');
  const on = kinds
    .filter((kind) => draw.chance(0.6) || isMaster(kind))
    .map((kind) => ({ kind, weight: WEIGHTS[kind] * draw.exponential(1) }));
  if (on.length === 0) return [];
  const total = on.reduce((sum, { weight }) => sum + weight, 0);
  const count = profile === 'master' ? draw.int(3, 25) : draw.int(20, 130);
  return Array.from({ length: count }, (_, id) => {
    const chance = draw.fork(`fault:${id}`);
    let at = chance.float() * total;
    const kind = (on.find(({ weight }) => (at -= weight) < 0) ?? on[0]!).kind;
    const fault: Fault = {
      id,
      atMs: chance.between(500, untilMs * 0.95),
      kind,
      slave: chance.pick(slaves).name,
      forMs: chance.pick([200, 2_000, 10_000, 40_000]) * chance.between(0.3, 1.2),
      size: chance.float(),
    };
    // As long as a lease still had to go: what waited in its sockets decides who is lost.
    if (kind === 'master.pause' && chance.chance(0.5)) {
      fault.forMs = leaseMs * chance.between(0.65, 1.05);
    }
    return fault;
  }).sort((a, b) => a.atMs - b.atMs);
}
