/** What clients ask for: the requests of a scenario with the ids of the runs that they wait for. */
import { runRequest } from '../../src/protocol/run.ts';
import type { RunRequest } from '../../src/protocol/run.ts';
import type { RunPlan, Scenario } from './scenario.ts';

export interface Requests {
  /** Resolves once those that it waits for were accepted. Some may have been left out. */
  of: (plan: RunPlan) => Promise<RunRequest>;
  /** It was accepted under that id; undefined: its key was somebody else's. */
  accepted: (index: number, runId: string | undefined) => void;
}

/** Of a run of a job, for those that wait for it. */
export function nameOf(index: number): string {
  return `r${index}`;
}

export function makeRequests({ runs }: Scenario): Requests {
  const known = new Map(runs.map((plan) => [plan.index, { plan, id: promised<string>() }]));

  return {
    async of({ request, after = [], job }) {
      const named: string[] = [];
      for (const index of after) {
        const other = known.get(index);
        if (!other) continue;
        const isNear = job !== undefined && other.plan.job === job;
        const id = isNear ? nameOf(index) : await other.id.promise;
        if (id !== undefined) named.push(id);
      }
      return runRequest.parse({ ...request, after: named });
    },
    accepted: (index, runId) => known.get(index)?.id.resolve(runId),
  };
}

interface Promised<T> {
  promise: Promise<T | undefined>;
  resolve: (value: T | undefined) => void;
}

function promised<T>(): Promised<T> {
  let resolve: Promised<T>['resolve'] = () => {};
  const promise = new Promise<T | undefined>((given) => (resolve = given));
  return { promise, resolve };
}
