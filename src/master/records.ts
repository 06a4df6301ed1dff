import { Packr, Unpackr } from 'msgpackr';
import { YardError } from '../base/errors.ts';
import type { JobContext } from '../machines/job.ts';
import type { RunContext } from '../machines/run.ts';
import type { SlaveContext } from '../machines/slave.ts';
import type { Hello } from '../protocol/to-master.ts';

/** What never changes about a run and is asked for often; the whole request is kept beside it. */
export interface RunFacts {
  name?: string | undefined;
  job?: string | undefined;
  arch?: string | undefined;
  labels: Record<string, string>;
  resources: Record<string, number>;
  isolation: 'none' | 'bwrap';
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
  run: (id: string) => `run/${id}`,
  request: (id: string) => `request/${id}`,
  /** Exists while the run is not done. */
  live: (id: string) => `live/${id}`,
  event: (seq: number) => `event/${String(seq).padStart(15, '0')}`,
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

const plainPackr = new Packr({ useRecords: false, mapsAsObjects: true });
const plainUnpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** For what is written once or holds a client's own keys. */
export function pack(value: unknown): Uint8Array {
  return plainPackr.pack(value);
}

/** Trusts what it reads: the store has checked the record's checksum. */
export function unpack<T>(bytes: Uint8Array): T {
  try {
    return plainUnpackr.unpack(bytes) as T;
  } catch (cause) {
    throw new YardError('store.corrupt', 'a record does not decode', { cause });
  }
}

/**
 * For runs and events, which are written many times: names of properties are kept once, in a table
 * beside them, which halves the bytes (perf.md 1.5). The table only grows; what it gained must go
 * into the same commit as the record that needs it.
 */
export interface RecordCodec {
  pack: (value: unknown) => Uint8Array;
  unpack: <T>(bytes: Uint8Array) => T;
  /** The table, if it grew since it was last asked for. */
  takeGrowth: () => Uint8Array | undefined;
  load: (table: Uint8Array | undefined) => void;
}

export const CODEC_TABLE = 'meta/structures';
/** Beyond this many shapes of objects, names are written out again. */
const SHAPES_MAX = 2000;

export function makeRecordCodec(): RecordCodec {
  let table: object[] = [];
  let grown = false;
  const packr = new Packr({
    maxSharedStructures: SHAPES_MAX,
    mapsAsObjects: true,
    int64AsType: 'number',
    getStructures: () => table as never,
    saveStructures: (structures: object) => {
      table = structures as object[];
      grown = true;
    },
  } as ConstructorParameters<typeof Packr>[0]);

  return {
    pack: (value) => packr.pack(value),
    unpack<T>(bytes: Uint8Array): T {
      try {
        return packr.unpack(bytes) as T;
      } catch (cause) {
        throw new YardError('store.corrupt', 'a record does not decode', { cause });
      }
    },
    takeGrowth() {
      if (!grown) return undefined;
      grown = false;
      return plainPackr.pack(table.map((names) => [...(names as string[])]));
    },
    load(bytes) {
      if (bytes) table = plainUnpackr.unpack(bytes) as object[];
    },
  };
}
