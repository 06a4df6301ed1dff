/** All that is not of a run itself: jobs, idempotency keys, slaves, tokens, decisions, strangers. */
import { jobMachine } from '../../machines/job.ts';
import { slaveMachine } from '../../machines/slave.ts';
import { isDone } from '../../protocol/run.ts';
import type { TokenRecord } from '../credentials.ts';
import { keys, unpack } from '../records.ts';
import type { DecisionRecord, JobRecord, SlaveRecord } from '../records.ts';
import { unpackOrigin, unpackRun } from '../rows.ts';
import type { Entry } from '../store/port.ts';
import type { ReadOnlyState } from '../store/read-only.ts';
import { badEndOf } from '../yard.ts';
import type { Report } from './finding.ts';
import { idOf } from './runs.ts';

/** Families of keys that runs are made of, and that are checked with them. */
const OF_RUNS = new Set(['origin', 'live', 'done', 'event']);
const TOGETHER = 500;

interface Ports {
  state: ReadOnlyState;
  report: Report;
}

/** Looks at every key that is not a run's; those of runs are jumped over. */
export async function checkOthers(ports: Ports): Promise<{ jobs: number }> {
  const { state, report } = ports;
  const checks: Record<string, (entry: Entry) => Promise<void> | void> = {
    job: (entry) => checkJob(entry, ports),
    key: (entry) => checkSubmitKey(entry, ports),
    slave: (entry) => checkSlave(entry, report),
    token: (entry) => checkToken(entry, report),
    why: ({ value }) => void unpack<DecisionRecord>(value).verdict,
  };
  let jobs = 0;
  for await (const entry of othersIn(state)) {
    const family = entry.key.slice(0, entry.key.indexOf('/'));
    const check = checks[family];
    if (!check) {
      report('key_unknown', entry.key, 'no part of this release writes such a key');
      continue;
    }
    if (family === 'job') jobs++;
    try {
      await check(entry);
    } catch {
      report('undecodable', entry.key, 'its record does not decode');
    }
  }
  return { jobs };
}

async function* othersIn(state: ReadOnlyState): AsyncGenerator<Entry> {
  let from = '';
  for (const family of [...OF_RUNS].toSorted()) {
    yield* state.scan({ gte: from, lt: `${family}/` });
    from = `${family}0`;
  }
  yield* state.scan({ gte: from });
}

async function checkJob({ key, value }: Entry, { state, report }: Ports): Promise<void> {
  const job = unpack<JobRecord>(value);
  const where = `job ${idOf(key)}`;
  if (job.id !== idOf(key)) report('key_mismatch', where, `its record is that of job ${job.id}`);
  if (!(job.state in jobMachine.states)) report('job_counts', where, `${job.state} is no state`);
  let [ended, failed] = [0, 0];
  for (let at = 0; at < job.runs.length; at += TOGETHER) {
    const runs = job.runs.slice(at, at + TOGETHER);
    const origins = await state.getMany(runs.map(keys.origin));
    const done = await state.getMany(runs.map(keys.done));
    for (const [index, run] of runs.entries()) {
      const origin = origins[index] && unpackOrigin(origins[index].value);
      if (origin?.job !== job.id) {
        report(
          'job_runs',
          where,
          `it names run ${run}, which ${origin ? 'is not of it' : 'is gone'}`,
        );
      }
      const entry = done[index];
      if (!entry || !origin) continue;
      ended++;
      if (badEndOf(unpackRun(entry.value, origin)) !== undefined) failed++;
    }
  }
  const { total, ended: counted, failed: bad } = job.context;
  const isRight = total === job.runs.length && counted === ended && bad === failed;
  if (!isRight) {
    const [is, are] = [
      [total, counted, bad],
      [job.runs.length, ended, failed],
    ];
    report(
      'job_counts',
      where,
      `it counts ${is.join('/')} (all/ended/failed), there are ${are.join('/')}`,
    );
  } else if ((job.state === 'COMPLETED') !== (total > 0 && ended === total)) {
    report('job_counts', where, `it is ${job.state} with ${ended} of ${total} runs ended`);
  }
}

async function checkSubmitKey({ key, value }: Entry, { state, report }: Ports): Promise<void> {
  const { runId } = unpack<{ runId: string }>(value);
  const [origin] = await state.getMany([keys.origin(runId)]);
  if (!origin) return report('key_run', key, `it is of run ${runId}, which is gone`);
  if (unpackOrigin(origin.value).request.key === undefined) {
    report('key_run', key, `it is of run ${runId}, which was submitted without a key`);
  }
}

function checkSlave({ key, value }: Entry, report: Report): void {
  const { name, state } = unpack<SlaveRecord>(value);
  if (name !== idOf(key)) report('key_mismatch', key, `its record is that of slave ${name}`);
  if (!(state in slaveMachine.states)) report('slave_state', key, `${state} is no state`);
}

function checkToken({ key, value }: Entry, report: Report): void {
  const { digest } = unpack<TokenRecord>(value);
  if (digest !== idOf(key)) report('token_digest', key, 'it holds another token');
}

/** A live run that was given to a slave names one that is known. */
export function makeSlaveLookup(state: ReadOnlyState) {
  const known = new Map<string, boolean>();
  return async (name: string): Promise<boolean> => {
    if (!known.has(name))
      known.set(name, (await state.getMany([keys.slave(name)]))[0] !== undefined);
    return known.get(name)!;
  };
}

/** Whether a run in that state is on a slave. */
export function isOnSlave(state: string): boolean {
  return !isDone(state) && (state === 'PENDING.assigned' || state.startsWith('RUNNING.'));
}
