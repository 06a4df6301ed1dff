/** Real processes, sockets, disks and tasks under faults, and whether what was promised was kept. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/random.ts';
import { drawFrom } from '../sim/draw.ts';
import type { Draw } from '../sim/draw.ts';
import { mountSmallDisk } from './disk.ts';
import { drawFault, possibleFaults } from './faults.ts';
import { judge } from './judge.ts';
import { startLoad } from './load.ts';
import type { Load } from './load.ts';
import { canMakeNamespaces, loopbackNetwork, namespaceNetwork } from './network.ts';
import { startWorld } from './world.ts';
import type { World } from './world.ts';

export interface ChaosOptions {
  cli: string;
  seed: number;
  /** Over when it has had as many faults, or lasts so long. */
  cycles: number;
  forMs: number;
  /** Only faults of these names. */
  faults?: readonly string[] | undefined;
  slaves?: number;
  slots?: number;
  concurrency?: number;
  leaseMs?: number;
  outageMsMax?: number;
  /** Between two faults, at most. */
  gapMsMax?: number;
  say: (line: string) => void;
  /** Breaks the round off; what it started and mounted is removed. */
  signal?: AbortSignal;
}

export interface ChaosResult {
  cycles: number;
  runs: number;
  started: number;
  faults: Record<string, number>;
  violations: string[];
  /** Kept where something was violated. */
  root: string;
}

/** How long runs may take to end once all faults are over (L1). */
const SETTLE_MS = 120_000;

/** One yard from its first start to its end. */
export async function chaosRound(options: ChaosOptions): Promise<ChaosResult> {
  const { say } = options;
  const root = mkdtempSync(join(tmpdir(), 'runyard-chaos-'));
  const violations: string[] = [];
  const network = canMakeNamespaces() ? namespaceNetwork() : loopbackNetwork();
  if (!network.hasWires)
    say('SKIPPED: no network is cut, for want of the right to make namespaces');
  const disk = mountSmallDisk(join(root, 'disk'), '192m');
  if (!disk) say('SKIPPED: no disk is filled, for want of the right to mount one');
  const { slots = 4, slaves = 2, leaseMs = 2000 } = options;
  let world: World | undefined;
  let load: Load | undefined;

  async function play(): Promise<ChaosResult> {
    world = await startWorld({
      cli: options.cli,
      root,
      network,
      disk,
      slaves,
      slots,
      leaseMs,
      onCrash: (program, status, tail) => {
        const last = tail.trim().split('\n').at(-1) ?? '';
        violations.push(`crash: ${program} ended by itself, ${status}: ${last}`);
      },
    });
    const draw = drawFrom(seededRandom(options.seed));
    load = startLoad(world, draw.fork('load'), options.concurrency ?? 8);
    const counts = await injectAll(world, load, draw.fork('faults'), options);
    violations.push(...(await settle(world, load)));
    const scratch = join(root, 'scratch');
    mkdirSync(scratch);
    const verdict = await judge({
      state: world.state,
      marks: world.marks,
      scratch,
      answers: load.answers,
      tasks: load.tasks,
      slots,
      isMasterOnly: [...counts].every(([{ isMasterOnly }]) => isMasterOnly),
    });
    violations.push(...verdict.violations);
    const faults = Object.fromEntries([...counts].map(([{ name }, count]) => [name, count]));
    const cycles = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const { runs, started } = verdict;
    return { cycles, runs, started, faults, violations, root };
  }

  try {
    return await Promise.race([play(), brokenOff(options.signal)]);
  } catch (error) {
    // What the machine below does not bear is kept, too: it may be the yard that asked too much.
    if (!options.signal?.aborted) violations.push(`the round broke: ${messageOf(error)}`);
    throw error;
  } finally {
    load?.stop();
    await world?.killAll();
    network.remove();
    if (disk) {
      // What shows a violation outlives the disk that it was on.
      if (world && violations.length > 0) {
        cpSync(world.state, join(root, 'state'), { recursive: true });
      }
      disk.remove();
    }
    if (violations.length === 0) rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

function brokenOff(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('broken off')), { once: true });
  });
}

type Fault = ReturnType<typeof drawFault>;

async function injectAll(
  world: World,
  load: Load,
  draw: Draw,
  options: ChaosOptions,
): Promise<Map<Fault, number>> {
  const { cycles, forMs, outageMsMax = 10_000, gapMsMax = 1500 } = options;
  const faults = possibleFaults(world, options.faults);
  if (faults.length === 0) throw new Error('no such fault can be injected here');
  const counts = new Map<Fault, number>();
  const until = Date.now() + forMs;
  for (let cycle = 0; cycle < cycles && Date.now() < until; cycle++) {
    await pause(draw.between(0, gapMsMax));
    const fault = drawFault(faults, draw);
    await fault.inject({ world, load, draw: draw.fork(`fault ${cycle}`), outageMsMax });
    counts.set(fault, (counts.get(fault) ?? 0) + 1);
  }
  return counts;
}

/** Lets everything heal and end; what does not is a violation of liveness. */
async function settle(world: World, load: Load): Promise<string[]> {
  const violations: string[] = [];
  await world.serve();
  for (const { program, wire } of world.slaves) {
    wire.heal();
    program.resume();
    program.start();
  }
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, SETTLE_MS, true).unref());
  const isLate = await Promise.race([load.finish().then(() => false), late]);
  if (isLate) {
    const open = [...load.open].slice(0, 10).join(', ');
    violations.push(`L1: ${load.open.size} runs are not done after ${SETTLE_MS / 1000} s: ${open}`);
    load.stop();
  }
  for (const refusal of load.refusals) violations.push(`L3: a client was refused: ${refusal}`);
  for (const name of await world.close()) violations.push(`L2: ${name} did not leave in 30 s`);
  return violations;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
