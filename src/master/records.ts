import { Packr, Unpackr } from 'msgpackr';
import { YardError } from '../base/errors.ts';
import type { JobContext } from '../machines/job.ts';
import type { RunContext } from '../machines/run-context.ts';
import type { SlaveContext } from '../machines/slave.ts';
import type { Isolation, RunRequest } from '../protocol/run.ts';
import type { Hello } from '../protocol/to-master.ts';

/** What a run is from its submission on; written once, and never changed. */
export interface RunOrigin {
  /** As it was taken, its defaults filled in. */
  request: RunRequest;
  job?: string | undefined;
  /** Whom the submitter named, else the submitter. */
  requestor?: string | undefined;
  createdAt: number;
}

/** What is asked for often of a run's origin. */
export interface RunFacts {
  name?: string | undefined;
  job?: string | undefined;
  /** Normalised; undefined: any. */
  arch?: string | undefined;
  labels: Record<string, string>;
  resources: Record<string, number>;
  isolation: Isolation;
  priority: number;
  exclusive: boolean;
  requestor?: string | undefined;
  bundle?: string | undefined;
  createdAt: number;
}

/** The snapshot of one run: a fold of its history, written with each event of it. */
export interface RunRecord {
  readonly id: string;
  readonly state: string;
  readonly context: RunContext;
  readonly facts: RunFacts;
  /** Places of its events in the yard's one history, in order. */
  readonly events: readonly number[];
}

export interface EventRecord {
  seq: number;
  run: string;
  /** From 1, per run. */
  n: number;
  by: string;
  /** The state that it led to. */
  state: string;
  event: { type: string; at: number } & Record<string, unknown>;
}

export interface JobRecord {
  id: string;
  state: string;
  context: JobContext;
  name?: string | undefined;
  requestor?: string | undefined;
  runs: string[];
  createdAt: number;
}

export interface SlaveRecord {
  name: string;
  state: string;
  context: SlaveContext;
  /** What it said of itself when it last came. */
  facts: Pick<Hello, 'arch' | 'labels' | 'slots' | 'resources' | 'isolations' | 'version' | 'host'>;
}

export interface DecisionRecord {
  at: number;
  verdict: string;
  summary: string;
}

/** The key space. Run ids sort by creation, so a range of runs is a range of time. */
export const keys = {
  origin: (id: string) => `origin/${id}`,
  /** The snapshot while the run is not done. */
  live: (id: string) => `live/${id}`,
  /** The snapshot from its end on. */
  done: (id: string) => `done/${id}`,
  /** Events that were decided together, by the number of the first. */
  events: (seq: number) => `event/${String(seq).padStart(15, '0')}`,
  submitKey: (digest: string) => `key/${digest}`,
  job: (id: string) => `job/${id}`,
  slave: (name: string) => `slave/${name}`,
  decision: (class_: string, seq: number) => `why/${class_}/${String(seq).padStart(15, '0')}`,
  token: (digest: string) => `token/${digest}`,
};

/** All keys that start with `prefix/`. */
export function below(prefix: string): { gte: string; lt: string } {
  return { gte: `${prefix}/`, lt: `${prefix}0` };
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

export function pack(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** Trusts what it reads: the store has checked the record's checksum. */
export function unpack<T>(bytes: Uint8Array): T {
  try {
    return unpackr.unpack(bytes) as T;
  } catch (cause) {
    throw new YardError('store.corrupt', 'a record does not decode', { cause });
  }
}

/** Whether the run is believed to be on that slave now. */
export function isOn(run: RunRecord, slave: string): boolean {
  const onSlave = run.state === 'PENDING.assigned' || run.state.startsWith('RUNNING');
  return onSlave && run.context.slave === slave;
}
