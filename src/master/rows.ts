/**
 * Runs and their events as rows: values in a fixed order, without names, which would be half of the
 * bytes and of the time of what is written most. A new column goes to the end of its row, so that
 * older rows still read: what they lack is undefined.
 */
import { EMPTY_SHA256 } from '../base/sha256.ts';
import type { RunContext, RunEvent, RunLimits } from '../machines/run-context.ts';
import type { OutputFacts, RunRequest, StreamFacts } from '../protocol/run.ts';
import { factsOf, limitsOf } from './origin.ts';
import { pack, unpack } from './records.ts';
import type { EventRecord, RunFacts, RunOrigin, RunRecord } from './records.ts';

type Row = readonly unknown[];

/** Columns in order. The type makes sure that none is forgotten. */
type Columns<T> = { readonly [K in keyof Required<T>]: undefined };

interface Shape<T> {
  toRow: (value: T) => unknown[];
  fromRow: (row: Row) => T;
  /** Gives `into` what is there; what is absent stays absent. */
  addTo: (into: Record<string, unknown>, row: Row) => void;
}

function shapeOf<T extends object>(columns: Columns<T>): Shape<T> {
  const names = Object.keys(columns) as (keyof T)[];
  return {
    // Absent as null: one byte; after the last that is there, none.
    toRow(value) {
      let length = names.length;
      while (length > 0 && value[names[length - 1]!] === undefined) length--;
      const row: unknown[] = [];
      for (let i = 0; i < length; i++) row.push(value[names[i]!] ?? null);
      return row;
    },
    fromRow(row) {
      // From the full shape, so that all values of it share one hidden class.
      const value = { ...columns } as unknown as T;
      for (let i = 0; i < names.length; i++) {
        const cell = row[i];
        if (cell !== null && cell !== undefined) value[names[i]!] = cell as T[keyof T];
      }
      return value;
    },
    addTo(into, row) {
      for (let i = 0; i < names.length; i++) {
        const cell = row[i];
        if (cell !== null && cell !== undefined) into[names[i] as string] = cell;
      }
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

type Of<T extends RunEvent['type']> = Omit<Extract<RunEvent, { type: T }>, 'type' | 'outputs'>;

/** The events that nearly all runs have, in the order of their numbers; others go with names. */
const eventShapes = {
  'run.submitted': shapeOf<Of<'run.submitted'>>({ at: undefined }),
  'run.granted': shapeOf<Of<'run.granted'>>({
    at: undefined,
    slave: undefined,
    token: undefined,
  }),
  'attempt.accepted': shapeOf<Of<'attempt.accepted'>>({
    at: undefined,
    attempt: undefined,
    slave: undefined,
  }),
  'attempt.executing': shapeOf<Of<'attempt.executing'>>({ at: undefined, attempt: undefined }),
  'attempt.finished': shapeOf<Of<'attempt.finished'>>({
    at: undefined,
    attempt: undefined,
    slave: undefined,
    ending: undefined,
    jitter: undefined,
    artifacts: undefined,
    notes: undefined,
  }),
} as const;
/** Only ever added to at the end. */
const NUMBERED = Object.keys(eventShapes) as (keyof typeof eventShapes)[];
const numberOf = new Map<string, number>(NUMBERED.map((type, number) => [type, number]));

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
  return unpackRunWith(bytes, { facts: factsOf(origin), limits: limitsOf(origin.request) });
}

/** For who reads a run often: what follows from its origin is given. */
export function unpackRunWith(
  bytes: Uint8Array,
  { facts, limits }: { facts: RunFacts; limits: RunLimits },
): RunRecord {
  const [id, state, events, row, cells] =
    unpack<[string, string, number[], Row, Row | null]>(bytes);
  const context = { limits, ...contextShape.fromRow(row), outputs: fromCells(cells) };
  return { id, state, context, facts, events };
}

type EventRow =
  | [run: string, n: number, by: string, state: string, event: EventRecord['event']]
  | [run: string, n: number, by: string, state: string, type: number, row: Row, cells?: Row];

/** Events that follow one another without a gap. */
export function packEvents(events: readonly EventRecord[]): Uint8Array {
  return pack([events[0]!.seq, events.map(eventRow)]);
}

function eventRow({ run, n, by, state, event }: EventRecord): EventRow {
  const number = numberOf.get(event.type);
  if (number === undefined) return [run, n, by, state, event];
  const row = eventShapes[NUMBERED[number]!].toRow(event as never);
  const outputs = event['outputs'] as OutputFacts | undefined;
  if (!outputs) return [run, n, by, state, number, row];
  return [run, n, by, state, number, row, toCells(outputs)];
}

export function unpackEvents(bytes: Uint8Array): EventRecord[] {
  const [first, rows] = unpack<[number, EventRow[]]>(bytes);
  return rows.map(([run, n, by, state, told, row, cells], index) => {
    const event = typeof told === 'number' ? eventFrom(NUMBERED[told]!, row!, cells) : told;
    return { seq: first + index, run, n, by, state, event };
  });
}

/** What an event lacks is absent from it, as it was when it was written. */
function eventFrom(type: keyof typeof eventShapes, row: Row, cells?: Row): EventRecord['event'] {
  const event: Record<string, unknown> = { type };
  eventShapes[type].addTo(event, row);
  if (cells) event['outputs'] = fromCells(cells);
  return event as EventRecord['event'];
}

const EMPTY: StreamFacts = {
  bytes: 0,
  sha256: EMPTY_SHA256,
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
