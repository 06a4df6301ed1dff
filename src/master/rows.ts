/**
 * Runs and their events as rows: values in a fixed order, without names, which would be half of the
 * bytes and of the time of what is written most. A new column goes to the end of its row, so that
 * older rows still read: what they lack is undefined.
 */
import { createHash } from 'node:crypto';
import type { RunContext, RunEvent } from '../machines/run.ts';
import type { OutputFacts, RunRequest, StreamFacts } from '../protocol/run.ts';
import { factsOf, limitsOf } from './origin.ts';
import { pack, unpack } from './records.ts';
import type { EventRecord, RunOrigin, RunRecord } from './records.ts';

type Row = readonly unknown[];

/** Columns in order. The type makes sure that none is forgotten. */
type Columns<T> = { readonly [K in keyof Required<T>]: undefined };

interface Shape<T> {
  toRow: (value: T) => unknown[];
  fromRow: (row: Row) => T;
}

function shapeOf<T extends object>(columns: Columns<T>): Shape<T> {
  const names = Object.keys(columns) as (keyof T)[];
  return {
    // Absent as null: one byte.
    toRow: (value) => names.map((name) => value[name] ?? null),
    fromRow(row) {
      // From the full shape, so that all values of it share one hidden class.
      const value = { ...columns } as unknown as T;
      for (let i = 0; i < names.length; i++) {
        const cell = row[i];
        if (cell !== null && cell !== undefined) value[names[i]!] = cell as T[keyof T];
      }
      return value;
    },
  };
}

const requestShape = shapeOf<RunRequest>({
  argv: undefined,
  formula: undefined,
  name: undefined,
  env: undefined,
  bundle: undefined,
  arch: undefined,
  labels: undefined,
  resources: undefined,
  isolation: undefined,
  priority: undefined,
  timeoutMs: undefined,
  queueTimeoutMs: undefined,
  outputTimeoutMs: undefined,
  graceMs: undefined,
  retries: undefined,
  retry: undefined,
  lostMax: undefined,
  exclusive: undefined,
  outputBytesMax: undefined,
  key: undefined,
  held: undefined,
  after: undefined,
  requestor: undefined,
});

/** Limits come with the origin; outputs have a row of their own. */
const contextShape = shapeOf<Omit<RunContext, 'limits' | 'outputs'>>({
  attempt: undefined,
  settled: undefined,
  failures: undefined,
  lost: undefined,
  blockers: undefined,
  ahead: undefined,
  slave: undefined,
  token: undefined,
  queuedAt: undefined,
  startedAt: undefined,
  finishedAt: undefined,
  backoffUntilAt: undefined,
  stopUntilAt: undefined,
  hold: undefined,
  abort: undefined,
  ending: undefined,
  reason: undefined,
  error: undefined,
  artifacts: undefined,
  notes: undefined,
  waitMs: undefined,
});

type Finished = Extract<RunEvent, { type: 'attempt.finished' }>;

const finishedShape = shapeOf<Omit<Finished, 'type' | 'outputs'>>({
  at: undefined,
  attempt: undefined,
  slave: undefined,
  ending: undefined,
  jitter: undefined,
  artifacts: undefined,
  notes: undefined,
});

export function packOrigin({ request, job, requestor, createdAt }: RunOrigin): Uint8Array {
  return pack([requestShape.toRow(request), createdAt, job ?? null, requestor ?? null]);
}

export function unpackOrigin(bytes: Uint8Array): RunOrigin {
  const [request, createdAt, job, requestor] =
    unpack<[Row, number, string | null, string | null]>(bytes);
  return {
    request: requestShape.fromRow(request),
    job: job ?? undefined,
    requestor: requestor ?? undefined,
    createdAt,
  };
}

/** All of a run but what its origin says. */
export function packRun({ id, state, context, events }: RunRecord): Uint8Array {
  const { outputs } = context;
  return pack([id, state, events, contextShape.toRow(context), outputs ? toCells(outputs) : null]);
}

export function unpackRun(bytes: Uint8Array, origin: RunOrigin): RunRecord {
  const [id, state, events, row, cells] =
    unpack<[string, string, number[], Row, Row | null]>(bytes);
  const limits = limitsOf(origin.request);
  const context = { limits, ...contextShape.fromRow(row), outputs: fromCells(cells) };
  return { id, state, context, facts: factsOf(origin), events };
}

/** Events that follow one another without a gap. */
export function packEvents(events: readonly EventRecord[]): Uint8Array {
  const rows = events.map(({ run, n, by, state, event }) => {
    if (event.type !== 'attempt.finished') return [run, n, by, state, event];
    const finished = event as Finished;
    const cells = finished.outputs ? toCells(finished.outputs) : null;
    return [run, n, by, state, finishedShape.toRow(finished), cells];
  });
  return pack([events[0]!.seq, rows]);
}

export function unpackEvents(bytes: Uint8Array): EventRecord[] {
  type EventRow = [string, number, string, string, EventRecord['event'] | Row, (Row | null)?];
  const [first, rows] = unpack<[number, EventRow[]]>(bytes);
  return rows.map(([run, n, by, state, told, cells], index) => {
    const event = Array.isArray(told) ? finishedFrom(told, cells) : told;
    return { seq: first + index, run, n, by, state, event: event as EventRecord['event'] };
  });
}

/** What an event lacks is absent from it, as it was when it was written. */
function finishedFrom(row: Row, cells: Row | null | undefined): object {
  const { artifacts, notes, ...rest } = finishedShape.fromRow(row);
  const outputs = fromCells(cells);
  return {
    type: 'attempt.finished',
    ...rest,
    ...(outputs ? { outputs } : {}),
    ...(artifacts ? { artifacts } : {}),
    ...(notes ? { notes } : {}),
  };
}

const EMPTY: StreamFacts = {
  bytes: 0,
  sha256: createHash('sha256').digest('hex'),
  droppedBytes: 0,
};

/** An empty stream, and most are, takes one byte. */
function toCells({ stdout, stderr, combined }: OutputFacts): Row {
  return [toCell(stdout), toCell(stderr), toCell(combined)];
}

function toCell({ bytes, sha256, droppedBytes }: StreamFacts): Row | null {
  const isEmpty = bytes === 0 && droppedBytes === 0 && sha256 === EMPTY.sha256;
  return isEmpty ? null : [bytes, sha256, droppedBytes];
}

function fromCells(cells: Row | null | undefined): OutputFacts | undefined {
  if (!cells) return undefined;
  const [stdout, stderr, combined] = cells.map((cell) => fromCell(cell as Row | null));
  return { stdout: stdout!, stderr: stderr!, combined: combined! };
}

function fromCell(cell: Row | null): StreamFacts {
  if (!cell) return EMPTY;
  const [bytes, sha256, droppedBytes] = cell as [number, string, number];
  return { bytes, sha256, droppedBytes };
}
