/** What runs need beyond a slot and slaves have beside it, and what people want of a run's tries. */
import { permanentObstacle } from '../../src/master/placement.ts';
import type { RunRequestInput } from '../../src/protocol/run.ts';
import type { Draw } from './draw.ts';
import type { RunPlan, SlavePlan } from './scenario.ts';
import type { TaskPlan } from './tasks.ts';

const ZONES = ['north', 'south'];
/** What nobody can do ends by itself after so long in the queue. */
const NOWHERE_MS = 30_000;

/** Whether that slave could ever run what needs this. */
export function canRun(slave: SlavePlan, request: RunRequestInput): boolean {
  const { arch, labels = {}, resources = {}, isolation = 'none', exclusive = false } = request;
  const { isolations = ['none'] } = slave;
  const room = { ...slave, isolations, online: true, draining: false, used: new Map() };
  return !permanentObstacle({ arch, labels, resources, isolation, exclusive }, room);
}

/** One slave of each architecture, the first: what they can do can be done to the end. */
export function coresOf(plans: readonly SlavePlan[]): SlavePlan[] {
  return plans.filter(({ arch }, at) => plans.findIndex((plan) => plan.arch === arch) === at);
}

/** Changes slaves and runs of some seeds; each draws from a stream of its own. */
export function drawNeeds(
  draw: Draw,
  slaves: readonly SlavePlan[],
  runs: readonly RunPlan[],
): { slaves: SlavePlan[]; runs: RunPlan[] } {
  if (draw.chance(0.4)) return { slaves: [...slaves], runs: [...runs] };
  const equipped = slaves.map((slave) => equip(draw.fork(`slave:${slave.name}`), slave));
  const cores = coresOf(equipped);
  return {
    slaves: equipped,
    runs: runs.map((run) => {
      const request = { ...run.request, ...needsOf(draw.fork(`run:${run.index}`), run.request) };
      const isSomewhere = cores.some((slave) => canRun(slave, request));
      if (!isSomewhere) request.queueTimeoutMs = NOWHERE_MS;
      return {
        ...run,
        request,
        task: { ...run.task, ...leavingsOf(draw.fork(`leaves:${run.index}`)) },
      };
    }),
  };
}

function equip(draw: Draw, slave: SlavePlan): SlavePlan {
  const made: SlavePlan = { ...slave, labels: { ...slave.labels } };
  if (draw.chance(0.5)) made.isolations = ['none', 'bwrap'];
  if (draw.chance(0.6)) made.labels['zone'] = draw.pick(ZONES);
  if (draw.chance(0.6)) made.resources = { ...slave.resources, gpus: draw.pick([0.3, 1, 2]) };
  if (draw.chance(0.05)) made.slots = 12;
  return made;
}

function needsOf(draw: Draw, request: RunRequestInput): RunRequestInput {
  const needs: RunRequestInput = {};
  if (draw.chance(0.04)) needs.isolation = draw.pick(['bwrap', 'bwrap', 'cgroup']);
  if (draw.chance(0.06)) needs.labels = { ...request.labels, zone: draw.pick(ZONES) };
  if (draw.chance(0.08)) {
    needs.resources = { ...request.resources, gpus: draw.pick([0.1, 0.1, 1, 2]) };
  } else if (draw.chance(0.05)) needs.resources = { memoryMb: 1024, cpus: 0.5 };
  if (draw.chance(0.1)) needs.retry = { ...request.retry, ...worthRetrying(draw) };
  return needs;
}

/** What it leaves behind is to be kept. */
function leavingsOf(draw: Draw): Partial<TaskPlan> {
  if (!draw.chance(0.2)) return {};
  return { artifactRate: draw.pick([0.3, 1]), litterRate: draw.pick([0, 0, 0.3]) };
}

function worthRetrying(draw: Draw): NonNullable<RunRequestInput['retry']> {
  const exitCodes = Array.from({ length: 100 }, () => draw.int(1, 255));
  const reasons = ['SIGSEGV', 'timeout.run', 'timeout.output', 'slave.exec'].filter(() =>
    draw.chance(0.6),
  );
  return draw.pick([{ exitCodes }, { reasons }, { exitCodes, reasons }]);
}
