/** S1, S3, S4, S7 to S10, S23: what the records of a run may become. */
import { isDone } from '../../../src/protocol/run.ts';
import type { Ending } from '../../../src/protocol/run.ts';
import type { RunContext } from '../../../src/machines/run-context.ts';
import type { RunRecord, SlaveRecord } from '../../../src/master/records.ts';
import { isSame } from './mirror.ts';
import type { Step } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

export const historyOracles: MakeOracle = ({ mirror, report }) => {
  /** Attempts whose end was counted, by key. */
  const counted = new Set<string>();
  /** Each slave as the write before has it. */
  const slavesBefore = new Map<string, SlaveRecord>();
  /** Runs that somebody asked to abort. */
  const aborted = new Set<string>();

  function checkStep({ event, before, after }: Step): void {
    const { run, event: happened } = event;
    if (isDone(before.state) && before.state !== 'NEW') {
      report('S1', `run ${run} is ${before.state} and hears ${happened.type}`);
    }
    if (happened.type === 'run.granted') {
      if (after.context.attempt <= before.context.attempt) {
        report('S3', `run ${run} was granted attempt ${after.context.attempt} again`);
      }
    } else if (after.context.attempt !== before.context.attempt) {
      report('S3', `attempt of run ${run} changed by ${happened.type}`);
    }
    if (happened.type === 'attempt.finished') checkFinished(run, happened, before.context);
    if (happened.type === 'abort.requested') aborted.add(run);
    if (aborted.has(run)) checkAborted(event, after.state);
  }

  function checkFinished(
    run: string,
    { attempt }: Record<string, unknown>,
    before: RunContext,
  ): void {
    if (attempt !== before.attempt) {
      report('S4', `run ${run} is at attempt ${before.attempt}, ${String(attempt)} was recorded`);
    }
    const key = `${run}.${String(attempt)}`;
    if (counted.has(key)) report('S10', `the end of ${key} was counted twice`);
    counted.add(key);
  }

  /** It went and is back by the same write: the count of its losses tells, or that it is another process. */
  function wentAndCame(name: string, slaves: SlaveRecord[]): boolean {
    const [was, is] = [slavesBefore.get(name), slaves.find((record) => record.name === name)];
    if (!is) return false;
    const { losses, incarnation } = is.context;
    return losses > (was?.context.losses ?? 0) || incarnation !== was?.context.incarnation;
  }

  /** What its slave never heard of is given back, unless that slave itself is lost. */
  function checkLoss({ event: { run, event }, before }: Step, slaves: SlaveRecord[]): void {
    if (event.type !== 'slave.lost' || before.state !== 'PENDING.assigned') return;
    if (mirror.origins.get(run)?.request.exclusive) return;
    const { slave } = event;
    const records = [mirror.slaves.get(String(slave)), ...slaves];
    if (records.some((record) => record?.name === slave && record?.state === 'OFFLINE')) return;
    if (wentAndCame(String(slave), slaves)) return;
    report('S7', `run ${run} counts a loss: ${String(slave)} never heard of it, and is there`);
  }

  /** Told apart from those of others by what was asked for, not by what the master made of it. */
  function checkLimits({ id, context: { limits } }: RunRecord): void {
    const { request } = mirror.origins.get(id) ?? {};
    if (!request) return;
    const { lostMax, retries, timeoutMs, queueTimeoutMs, graceMs } = request;
    const asked = { lostMax, retries, timeoutMs, queueTimeoutMs, graceMs };
    for (const [name, value] of Object.entries(asked)) {
      if (limits[name as keyof typeof asked] === value) continue;
      report('S7', `run ${id} asked for ${name} ${value}, and is held to another`);
    }
  }

  /** An aborted attempt that did not end by itself is aborted, however its slave lost it. */
  function checkAborted({ run, event: happened }: Step['event'], state: string): void {
    const { type } = happened;
    const kind = (happened['ending'] as Ending | undefined)?.kind;
    const isGivenUp =
      type === 'slave.lost' || type === 'attempt.rejected' || type === 'stop.overdue';
    if (!isGivenUp && kind !== 'lost' && kind !== 'aborted') return;
    if (state !== 'ABORTED')
      report('S23', `run ${run} was to be aborted, and is ${state}: ${type}`);
  }

  return {
    onChange({ runs, steps, slaves, removed }) {
      for (const step of steps) {
        checkStep(step);
        checkLoss(step, slaves);
      }
      for (const record of slaves) slavesBefore.set(record.name, record);
      for (const run of runs) {
        const { id, state, context } = run;
        const { limits, failures, lost, attempt } = context;
        if (failures > limits.retries) report('S7', `run ${id} failed ${failures} times`);
        if (lost > Math.max(1, limits.lostMax)) report('S7', `run ${id} was lost ${lost} times`);
        const known = mirror.runs.get(id);
        if (!known) checkLimits(run);
        if (known && isDone(known.state) && !isSame(known, run)) {
          report('S1', `run ${id} was ${known.state} and is ${state}`);
        }
        if (known && attempt < known.context.attempt) {
          report('S3', `attempt of run ${id} fell to ${attempt}`);
        }
        const fold = mirror.folds.get(id);
        if (!fold || fold.n !== run.events.length) {
          report('S8', `run ${id} has ${run.events.length} events, its history ${fold?.n ?? 0}`);
        } else if (fold.state !== state || !isSame(fold.context, context)) {
          report('S9', `run ${id} is ${state}, its history says ${fold.state}`);
        }
      }
      const saved = new Set(runs.map(({ id }) => id));
      for (const { event } of steps) {
        if (!saved.has(event.run)) {
          report('S8', `event ${event.seq} of run ${event.run} came without its snapshot`);
        }
      }
      for (const key of removed) {
        if (/^(origin|done|event)\//.test(key)) report('S2', `${key} was removed`);
      }
    },
  };
};
