/** S29 to S31: who waits for whom, what is held, and jobs. */
import { isDone } from '../../../src/protocol/run.ts';
import type { JobRecord } from '../../../src/master/records.ts';
import { hasEndedWell } from './mirror.ts';
import type { Step } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

export const graphOracles: MakeOracle = ({ mirror, report }) => {
  const held = new Set<string>();
  /** Runs of jobs whose abort is on disk. */
  const unwanted = new Set<string>();

  function checkGrant({ event: { run } }: Step): void {
    for (const id of mirror.origins.get(run)?.request.after ?? []) {
      if (!hasEndedWell(mirror.folds.get(id))) {
        report('S29', `run ${run} is granted, and ${id} has not ended well`);
      }
    }
    if (held.has(run)) report('S30', `run ${run} is granted and was held`);
    if (unwanted.has(run)) report('S31', `run ${run} is granted, and its job was aborted`);
  }

  function look(step: Step): void {
    const { run, event } = step.event;
    switch (event.type) {
      case 'run.submitted':
        if (mirror.origins.get(run)?.request.held) held.add(run);
        return;
      case 'run.held':
        return void held.add(run);
      case 'run.released':
        return void held.delete(run);
      case 'run.granted':
        return checkGrant(step);
      default:
    }
  }

  function checkJob({ id, state, runs, context }: JobRecord): void {
    const folds = runs.map((run) => mirror.folds.get(run));
    const done = folds.filter((fold) => fold && isDone(fold.state));
    const failed = done.filter((fold) => !hasEndedWell(fold)).length;
    if (context.total !== runs.length || context.ended !== done.length) {
      report('S31', `job ${id} counts ${context.ended} ends, ${done.length} of its runs are done`);
    }
    if (context.failed !== failed) {
      report('S31', `job ${id} counts ${context.failed} failures, ${failed} of its runs failed`);
    }
    if ((state === 'COMPLETED') !== (done.length === runs.length)) {
      report('S31', `job ${id} is ${state}, ${done.length} of ${runs.length} runs are done`);
    }
  }

  /** Each end of a run is in the commit that counts it. */
  function checkAll(): void {
    for (const job of mirror.jobs.values()) checkJob(job);
  }

  return {
    onChange({ steps, jobs }) {
      for (const step of steps) look(step);
      for (const job of jobs) {
        checkJob(job);
        if (job.context.abort) for (const run of job.runs) unwanted.add(run);
      }
    },
    onAnswer(answer) {
      if (answer.kind !== 'job') return;
      const { jobId, state, ended } = answer.status;
      const job = mirror.jobs.get(jobId);
      if (!job || job.context.ended < ended) {
        return report('S16', `job ${jobId} is told to be ${state}, and is not that on disk`);
      }
      if (answer.isAborted && job.state !== 'COMPLETED' && !job.context.abort) {
        report('S16', `job ${jobId} is told to be aborted, and is not on disk`);
      }
    },
    onMasterServes: checkAll,
    onEnd: checkAll,
  };
};
