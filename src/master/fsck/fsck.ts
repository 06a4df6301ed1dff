/**
 * Whether a state directory keeps every invariant that a store can show (dst.md part 3). It reads
 * and changes nothing; memory does not grow with the number of runs.
 */
import type { Clock } from '../../base/clock.ts';
import { isYardError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { makeHistory } from '../history.ts';
import type { ReadOnlyState } from '../store/read-only.ts';
import { openReadOnly } from '../store/read-only.ts';
import { makeBlobCheck } from './blobs.ts';
import { findingOf } from './finding.ts';
import type { Finding, FindingCode, Report } from './finding.ts';
import { checkHistories } from './histories.ts';
import { checkOthers, isOnSlave, makeSlaveLookup } from './others.ts';
import { makeJobLookup, readTriple, tripleScan } from './runs.ts';

export interface FsckOptions {
  directory: string;
  clock: Clock;
  random: Random;
  pid: number;
  /** Where a copy of the database is made, and removed again. */
  scratch: string;
  /** Reads every byte of outputs, artifacts and bundles; else only their lengths. */
  deep: boolean;
  onFinding: (finding: Finding) => void;
  onProgress?: (progress: FsckProgress) => void;
  /** Events kept at once. */
  eventsMax?: number;
}

export interface FsckProgress {
  what: 'runs' | 'events';
  count: number;
}

export interface FsckSummary {
  /** The last commit. */
  rev: number;
  runs: number;
  events: number;
  jobs: number;
  blobs: number;
  findings: number;
}

/** The same finding is told once, as long as there are fewer than these. */
const TOLD_MAX = 100_000;

/** Throws `store.…` where there is no state to look at, or a master has it open. */
export async function checkState(options: FsckOptions): Promise<FsckSummary> {
  const summary: FsckSummary = { rev: 0, runs: 0, events: 0, jobs: 0, blobs: 0, findings: 0 };
  const told = new Set<string>();
  const report: Report = (code, where, what) => {
    const text = `${code} ${where} ${what}`;
    if (told.has(text)) return;
    if (told.size < TOLD_MAX) told.add(text);
    summary.findings++;
    options.onFinding(findingOf(code, where, what));
  };
  const { directory, clock, random, pid, scratch } = options;
  const state = await openReadOnly(directory, {
    clock,
    random,
    pid,
    scratch,
    onFault: ({ code, what }) => report(faultCode(code), directory, what),
  });
  if (!state) return summary;
  try {
    summary.rev = state.rev;
    await checkAll(state, options, report, summary);
  } finally {
    await state.close();
  }
  return summary;
}

function faultCode(code: string): FindingCode {
  return code === 'store.gap' ? 'gap' : 'store';
}

async function checkAll(
  state: ReadOnlyState,
  options: FsckOptions,
  report: Report,
  summary: FsckSummary,
): Promise<void> {
  const { deep, onProgress = () => {} } = options;
  const records = await checkRuns(state, { report, deep, onProgress }, summary);
  const { events, runs } = await checkHistories({
    state,
    report,
    onProgress: (count) => onProgress({ what: 'events', count }),
    ...(options.eventsMax === undefined ? {} : { eventsMax: options.eventsMax }),
  });
  summary.events = events;
  if (runs !== records) await nameThoseWithoutHistory(state, report);
  summary.jobs = (await checkOthers({ state, report })).jobs;
}

/** Resolves with how many runs have a record. */
async function checkRuns(
  state: ReadOnlyState,
  {
    report,
    deep,
    onProgress,
  }: Required<Pick<FsckOptions, 'deep' | 'onProgress'>> & { report: Report },
  summary: FsckSummary,
): Promise<number> {
  const findJob = makeJobLookup(state);
  const isKnown = makeSlaveLookup(state);
  const blobs = makeBlobCheck(state.blobs, report, deep);
  let records = 0;
  for await (const triple of tripleScan(state)) {
    if (triple.live || triple.done) records++;
    onProgress({ what: 'runs', count: ++summary.runs });
    const read = readTriple(triple, report);
    if (!read) continue;
    const { record, origin } = read;
    const where = `run ${triple.id}`;
    if (origin.job !== undefined) {
      const runs = await findJob(origin.job);
      if (!runs) report('job_missing', where, `it is of job ${origin.job}, which is gone`);
      else if (!runs.has(triple.id))
        report('job_runs', where, `job ${origin.job} does not name it`);
    }
    const { slave } = record.context;
    if (isOnSlave(record.state) && (slave === undefined || !(await isKnown(slave)))) {
      report('slave_missing', where, `it is ${record.state} on ${slave ?? 'no slave'}`);
    }
    summary.blobs += await blobs.check(record, origin);
  }
  return records;
}

/** Only where the numbers differ, since it reads every event by its place. */
async function nameThoseWithoutHistory(state: ReadOnlyState, report: Report): Promise<void> {
  const { historyOf } = makeHistory(state);
  for await (const triple of tripleScan(state)) {
    const read = readTriple(triple, () => {});
    if (!read) continue;
    try {
      await historyOf(read.record);
    } catch (error) {
      if (!isYardError(error)) throw error;
      report('history_missing', `run ${triple.id}`, 'its history is gone, or a part of it');
    }
  }
}
