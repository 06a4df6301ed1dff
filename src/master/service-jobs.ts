/** What the master offers of jobs. */
import type { Clock } from '../base/clock.ts';
import { YardError, quote } from '../base/errors.ts';
import type { Ids } from '../base/random.ts';
import type { RunRequest } from '../protocol/run.ts';
import type { Principal } from '../protocol/service.ts';
import { jobStatusOf } from './status.ts';
import type { Submit } from './submit.ts';
import type { Yard } from './yard.ts';

export function jobRoutes(
  { yard, ids, clock }: { yard: Yard; ids: Ids; clock: Clock },
  submit: Submit,
) {
  async function getJob(jobId: string) {
    const job = await yard.ledger.findJob(jobId);
    if (!job) throw new YardError('job.unknown', `no job ${quote(jobId)}`);
    return jobStatusOf(job);
  }
  return {
    getJob,
    async submitJob(
      job: { name?: string | undefined; requestor?: string | undefined; runs: RunRequest[] },
      by: Principal,
    ) {
      const createdAt = clock.wall();
      const id = ids.sortable(createdAt);
      const runIds = job.runs.map(() => ids.sortable(createdAt)).sort();
      const { name } = job;
      const requestor = job.requestor ?? (by.kind === 'anonymous' ? undefined : by.name);
      const runs = linked(job.runs, runIds).map((run) => ({ ...run, requestor }));
      const note = { id, name, requestor, runs: runIds, createdAt };
      await submit(runs as RunRequest[], by, {
        id,
        ids: runIds,
        note: (tx) => tx.createJob(note),
      });
      return { jobId: id, runs: runIds };
    },
    async abortJob(jobId: string, by: Principal, why: string) {
      await getJob(jobId);
      const event = { type: 'job.abortRequested', at: clock.wall(), by: by.name, why } as const;
      await yard.transact((tx) => tx.job(jobId, event));
      return getJob(jobId);
    },
  };
}

/** Inside a job `after` may hold names of its own runs; a circle of them is refused. */
function linked(runs: readonly RunRequest[], runIds: readonly string[]): RunRequest[] {
  const byName = new Map<string, number>();
  for (const [index, { name, key }] of runs.entries()) {
    if (key !== undefined) throw new YardError('job.key', 'runs of a job take no key of their own');
    if (name === undefined) continue;
    if (byName.has(name)) throw new YardError('job.name', `two runs are named ${quote(name)}`);
    byName.set(name, index);
  }
  const needs = runs.map(({ after }) => after.map((name) => byName.get(name)));
  const state = runs.map(() => 0);
  const visit = (index: number): void => {
    if (state[index] === 2) return;
    if (state[index] === 1) {
      throw new YardError(
        'job.circle',
        `run ${quote(runs[index]!.name ?? index)} waits for itself`,
      );
    }
    state[index] = 1;
    for (const need of needs[index]!) if (need !== undefined) visit(need);
    state[index] = 2;
  };
  for (const index of runs.keys()) visit(index);
  return runs.map((run) => ({
    ...run,
    after: run.after.map((name) => {
      const index = byName.get(name);
      return index === undefined ? name : runIds[index]!;
    }),
  }));
}
