/**
 * Makes a failing scenario small: leaves out faults, runs, drains, slaves and what it has as a
 * whole, such as its readers, as long as the same oracle still finds something (delta debugging).
 * What a fault or a run draws is its own, so that leaving one out moves no other.
 */
import { inMacrotask } from './kernel.ts';
import { canRun } from './needs.ts';
import { playTwice } from './play.ts';
import type { Fault, RunPlan, Scenario } from './scenario.ts';
import { simulate } from './world.ts';
import type { Violation } from './world.ts';

export interface ShrinkOptions {
  /** Of real time; what is reached by then is the answer. */
  budgetMs?: number;
  onStep?: (scenario: Scenario, plays: number) => void;
}

export interface Shrunk {
  scenario: Scenario;
  violation: Violation;
  plays: number;
  /** The budget was over before nothing more could be left out. */
  isCut: boolean;
}

const BUDGET_MS = 55_000;
/** The rest is for what is not left out but made simpler. */
const LEAVING_OUT = 0.8;
/** Small enough to read: from there on no other chance is tried. */
const FAULTS_GOAL = 5;
const RUNS_GOAL = 3;
/**
 * What rests on a coincidence, such as a frame that is late at the right instant, is gone with
 * anything that is left out. Other streams of chance for the same scenario bring it back.
 */
const CHANCES = 4;
/** They show only when two plays are compared. */
const COMPARED = new Set(['X3', 'X4']);

/** `violation` is what the scenario shows; the answer shows the same oracle's. */
export async function shrink(
  scenario: Scenario,
  violation: Violation,
  { budgetMs = BUDGET_MS, onStep = () => {} }: ShrinkOptions = {},
): Promise<Shrunk> {
  const startedAt = performance.now();
  let until = startedAt + budgetMs * LEAVING_OUT;
  let chances = 1;
  const best: Shrunk = { scenario, violation, plays: 0, isCut: false };

  /** Takes the candidate over if it fails in the same way. */
  async function attempt(candidate: Scenario): Promise<boolean> {
    for (let chance = 0; chance < chances; chance++) {
      if (performance.now() > until) best.isCut = true;
      if (best.isCut) return false;
      best.plays++;
      const seed = chance === 0 ? candidate.seed : `${scenario.seed}~${best.plays}`;
      const found = await violationOf({ ...candidate, seed }, violation.oracle);
      if (!found) continue;
      best.scenario = { ...candidate, seed };
      best.violation = found;
      onStep(best.scenario, best.plays);
      return true;
    }
    return false;
  }

  await leaveOut(() => best.scenario, attempt);
  chances = CHANCES;
  if (!isSmall(best.scenario)) await leaveOut(() => best.scenario, attempt);
  const { isCut } = best;
  [best.isCut, until, chances] = [false, startedAt + budgetMs, 1];
  await simplify(() => best.scenario, attempt);
  return { ...best, isCut: isCut || best.isCut };
}

/** What a scenario may have as a whole: readers, rare things in the code, a last drain. */
const WISHES = ['isRead', 'buggify', 'drainsAfter'] as const;

type Attempt = (candidate: Scenario) => Promise<boolean>;

/** Until nothing more can be left out. */
async function leaveOut(now: () => Scenario, attempt: Attempt): Promise<void> {
  for (let size = Infinity; sizeOf(now()) < size;) {
    size = sizeOf(now());
    for (const wish of WISHES) {
      const { [wish]: value, ...rest } = now();
      if (value) await attempt(rest);
    }
    await reduce(now().faults, (faults) => attempt({ ...now(), faults }));
    await reduce(now().runs, (runs) => attempt({ ...now(), runs }));
    await reduce(now().drains, (drains) => attempt({ ...now(), drains }));
    for (const { name } of now().slaves) {
      const candidate = withoutSlave(now(), name);
      if (candidate) await attempt(candidate);
    }
  }
}

function isSmall({ faults, runs }: Scenario): boolean {
  return faults.length <= FAULTS_GOAL && runs.length <= RUNS_GOAL;
}

/** What is left of its parts; the rest is only simpler. */
function sizeOf(scenario: Scenario): number {
  const { faults, runs, drains, slaves } = scenario;
  const wishes = WISHES.filter((wish) => scenario[wish]);
  return faults.length + runs.length + drains.length + slaves.length + wishes.length;
}

async function violationOf(scenario: Scenario, oracle: string): Promise<Violation | undefined> {
  const { violations } = COMPARED.has(oracle)
    ? await playTwice(scenario)
    : await inMacrotask(() => simulate(scenario));
  return violations.find((violation) => violation.oracle === oracle);
}

/** The smallest part of `all` found by leaving out ever smaller pieces (Zeller's ddmin). */
export async function reduce<T>(
  all: readonly T[],
  isStillBad: (some: T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = all;
  if (left.length > 0 && (await isStillBad([]))) return [];
  for (let pieces = 2; left.length > 1;) {
    const size = Math.ceil(left.length / pieces);
    let hasShrunk = false;
    for (let at = 0; at < left.length;) {
      const rest = [...left.slice(0, at), ...left.slice(at + size)];
      if (rest.length > 0 && rest.length < left.length && (await isStillBad(rest))) {
        left = rest;
        hasShrunk = true;
      } else at += size;
    }
    if (size === 1 && !hasShrunk) break;
    pieces = hasShrunk ? Math.max(2, pieces - 1) : Math.min(left.length, pieces * 2);
  }
  return left;
}

/** undefined: some run could then never start, and the scenario would fail in a new way. */
function withoutSlave(scenario: Scenario, name: string): Scenario | undefined {
  const slaves = scenario.slaves.filter((slave) => slave.name !== name);
  const [first] = slaves;
  if (!first) return undefined;
  const isAble = (run: RunPlan) => slaves.some((slave) => canRun(slave, run.request));
  const wasAble = (run: RunPlan) => scenario.slaves.some((slave) => canRun(slave, run.request));
  if (scenario.runs.some((run) => wasAble(run) && !isAble(run))) return undefined;
  return {
    ...scenario,
    slaves,
    drains: scenario.drains.filter(({ slave }) => slave !== name),
    // What strikes the master names a slave too, and it must be one that is there.
    faults: scenario.faults.flatMap((fault) =>
      fault.slave !== name ? [fault] : strikesSlave(fault) ? [] : [{ ...fault, slave: first.name }],
    ),
  };
}

function strikesSlave({ kind }: Fault): boolean {
  return /^(?:slave|net)\./.test(kind);
}

const FLAGS = [
  'abortAtMs',
  'twice',
  'conflict',
  'rerun',
  'rival',
  'after',
  'hold',
  'isWatched',
] as const;
/** Without them a run could not be asked for, or not be told from others. */
const NEEDED = new Set(['argv', 'key']);

/** Takes from each run what it does not need: wishes of its request, habits of its task. */
async function simplify(now: () => Scenario, attempt: Attempt): Promise<void> {
  const change = (index: number, run: RunPlan) =>
    attempt({ ...now(), runs: now().runs.map((old) => (old.index === index ? run : old)) });

  for (const { index } of now().runs) {
    const run = () => now().runs.find((plan) => plan.index === index)!;
    for (const flag of FLAGS) {
      const { [flag]: value, ...rest } = run();
      if (value !== undefined) await change(index, rest);
    }
    // What hangs needs its timeout: without it the scenario would fail once it is repaired.
    for (const [key, rate] of Object.entries(run().task)) {
      if (!key.endsWith('Rate') || rate === 0) continue;
      await change(index, { ...run(), task: { ...run().task, [key]: 0 } });
    }
    for (const key of Object.keys(run().request)) {
      if (NEEDED.has(key) || (key === 'timeoutMs' && run().task.hangRate > 0)) continue;
      const { [key as 'arch']: _, ...request } = run().request;
      await change(index, { ...run(), request });
    }
  }
}
