/** What people ask of several runs: which wait for which, which are one job, which are held. */
import type { Draw } from './draw.ts';
import type { HoldPlan, JobPlan, RunPlan } from './scenario.ts';

/** Lets some runs wait for earlier ones, and makes jobs of some neighbours; both have chances of their own. */
export function weave(draw: Draw, runs: readonly RunPlan[]): { runs: RunPlan[]; jobs: JobPlan[] } {
  if (draw.chance(0.3)) return { runs: [...runs], jobs: [] };
  const jobs: JobPlan[] = [];
  const jobOf = new Map<number, { plan: JobPlan; first: number }>();
  for (let first = draw.int(0, 5); first < runs.length; first += draw.int(1, 14)) {
    const { atMs, client } = runs[first]!;
    const plan: JobPlan = { number: jobs.length, atMs, client };
    const chance = draw.fork(`job:${plan.number}`);
    if (chance.chance(0.3)) plan.abortAtMs = atMs + chance.exponential(15_000);
    jobs.push(plan);
    const end = Math.min(runs.length, first + chance.int(2, 6));
    for (let index = first; index < end; index++) jobOf.set(index, { plan, first });
    first = end;
  }
  const woven = runs.map((run) => {
    const chance = draw.fork(`run:${run.index}`);
    const job = jobOf.get(run.index);
    return job ? joined(chance, run, job.plan, job.first) : wished(chance, run);
  });
  return { runs: rush(draw.fork('rush'), woven), jobs };
}

/** Somebody wants a run after one that another aborts at that very moment, and after one long done. */
function rush(draw: Draw, runs: readonly RunPlan[]): RunPlan[] {
  const rushed = [...runs];
  const isFree = ({ job, hold }: RunPlan) => job === undefined && !hold;
  for (const aborted of runs) {
    const chance = draw.fork(`run:${aborted.index}`);
    if (aborted.index === 0 || aborted.abortAtMs === undefined || chance.chance(0.5)) continue;
    const follower = rushed.findIndex(
      (run) =>
        run.index > aborted.index && isFree(run) && !run.after && run.abortAtMs === undefined,
    );
    if (follower < 0) continue;
    // Held, it still waits when it is aborted: its end is decided at once.
    if (isFree(aborted)) {
      const forMs = aborted.abortAtMs - aborted.atMs + 5_000;
      const at = rushed.findIndex(({ index }) => index === aborted.index);
      const held = { ...aborted.request, held: true };
      rushed[at] = { ...rushed[at]!, request: held, hold: { atMs: 0, forMs } };
    }
    const { bundle: _, ...request } = rushed[follower]!.request;
    const after = [aborted.index, chance.int(0, aborted.index - 1)];
    rushed[follower] = { ...rushed[follower]!, request, after, atMs: aborted.abortAtMs };
  }
  return rushed;
}

/** Runs of a job take no key, and are told apart by their names. */
function joined(draw: Draw, run: RunPlan, { number, atMs, client }: JobPlan, first: number) {
  const { key: _, ...request } = run.request;
  const { twice: __, conflict: ___, ...plan } = run;
  const after = neighbours(draw, run.index, first).filter(() => draw.chance(0.4));
  if (first > 0 && draw.chance(0.1)) after.push(draw.int(0, first - 1));
  const late = plan.abortAtMs === undefined ? {} : { abortAtMs: plan.abortAtMs - run.atMs + atMs };
  const member: RunPlan = { ...plan, ...late, atMs, client, request, job: number, after };
  return draw.chance(0.05) ? { ...member, hold: drawHold(draw, atMs) } : member;
}

function neighbours(draw: Draw, index: number, first: number): number[] {
  const all = Array.from({ length: index - first }, (_, i) => first + i);
  return all.slice(-draw.int(1, 3));
}

function wished(draw: Draw, run: RunPlan): RunPlan {
  const plan = { ...run };
  if (run.index > 0 && draw.chance(0.1)) {
    plan.after = Array.from({ length: draw.int(1, 3) }, () => draw.int(0, run.index - 1));
  }
  if (draw.chance(0.1)) {
    const isHeld = draw.chance(0.5);
    plan.hold = drawHold(draw, isHeld ? 0 : run.atMs);
    if (isHeld) plan.request = { ...run.request, held: true };
  }
  if (draw.chance(0.04)) plan.rival = true;
  return plan;
}

function drawHold(draw: Draw, atMs: number): HoldPlan {
  const hold = { atMs: atMs + draw.exponential(5_000), forMs: draw.exponential(10_000) };
  const chance = draw.fork('insists');
  return chance.chance(0.5) ? { ...hold, forMs: chance.exponential(60_000), insists: true } : hold;
}
