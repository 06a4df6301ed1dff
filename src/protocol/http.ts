import { z } from 'zod';
import { STREAMS } from './outputs.ts';
import { RUN_STATES, idText, labels, resources, runId, runRequest } from './run.ts';

/** Where the watchers' socket is. */
export const WATCH_PATH = '/api/watch';

export const submitBody = z.union([runRequest, z.array(runRequest).min(1).max(5000)]);

/** Runs of one job may name each other by `name` in `after`. */
export const jobBody = z.strictObject({
  name: z.string().max(200).optional(),
  requestor: z.string().max(200).optional(),
  runs: z.array(z.looseObject({})).min(1).max(5000),
});

export const jobStatus = z.object({
  jobId: idText,
  name: z.string().optional(),
  state: z.enum(['NOT_STARTED', 'IN_PROGRESS', 'ABORTING', 'COMPLETED']),
  total: z.int(),
  ended: z.int(),
  failed: z.int(),
  requestor: z.string().optional(),
  runs: z.array(runId),
  createdAt: z.iso.datetime(),
});
export type JobStatus = z.infer<typeof jobStatus>;

/** Where a list goes on, as `before`: absent where all that fits was found, or `limit` of it. */
export const NEXT_HEADER = 'runyard-next';
/** The runs of one answer. */
export const PAGE_MAX = 1000;

/** ANDed; newest first. */
export const runQuery = z.object({
  state: z
    .string()
    .transform((text) => text.toUpperCase().split(','))
    .pipe(z.array(z.enum(RUN_STATES)))
    .optional(),
  slave: z.string().optional(),
  job: z.string().optional(),
  name: z.string().optional(),
  /** The substate. */
  is: z.string().optional(),
  exit: z.coerce.number().int().min(0).optional(),
  /** Well: COMPLETE with exit code 0; badly: any other end. */
  ended: z.enum(['well', 'badly']).optional(),
  /** Only runs created then or later. */
  since: z.iso.datetime().optional(),
  /** Each is somewhere in the id, the names, the reason or the error, whatever the case. */
  text: z
    .union([z.string(), z.array(z.string()).max(20)])
    .transform((text) => [text].flat())
    .optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
  /** Looks at no more runs than so many; by default, at all. */
  scan: z.coerce.number().int().min(1).optional(),
  /** Runs older than this one: the last id of the page before. */
  before: runId.optional(),
});
export type RunQuery = z.infer<typeof runQuery>;

export const abortBody = z.strictObject({ why: z.string().max(400).default('') });
export const holdBody = z.strictObject({ note: z.string().max(400).default('') });
export const drainBody = z.strictObject({
  note: z.string().min(1).max(400),
  /** Absent: until resumed. */
  forMs: z.int().positive().optional(),
});

export const slaveStatus = z.object({
  name: idText,
  state: z.enum(['ONLINE', 'SUSPENDED', 'OFFLINE']),
  arch: z.string(),
  labels,
  resources,
  isolations: z.array(z.string()),
  slots: z.int(),
  used: z.int(),
  runs: z.array(runId),
  version: z.string(),
  host: z.string(),
  drain: z
    .object({
      by: z.string(),
      note: z.string(),
      since: z.iso.datetime(),
      until: z.iso.datetime().optional(),
    })
    .optional(),
  losses: z.int(),
  seenAt: z.iso.datetime().optional(),
  whyGone: z.string().optional(),
});
export type SlaveStatus = z.infer<typeof slaveStatus>;

export const VERDICTS = [
  'not_pending',
  'none_can_ever',
  'all_busy',
  'offline',
  'draining',
  'blocked',
  'held',
  'backoff',
  'assigned',
] as const;

/** Why a run is pending: the verdict, each slave's first failing predicate, and what came before. */
export const whyAnswer = z.object({
  runId,
  state: z.string(),
  verdict: z.enum(VERDICTS),
  /** One sentence for people. */
  summary: z.string(),
  /** The smallest change that would start it. */
  remedy: z.string().optional(),
  slaves: z.array(z.object({ name: z.string(), predicate: z.string(), detail: z.string() })),
  /** Decisions as they were recorded, oldest first. */
  decisions: z.array(z.object({ at: z.iso.datetime(), verdict: z.string(), summary: z.string() })),
});
export type WhyAnswer = z.infer<typeof whyAnswer>;

/** One line of a run's history. */
export const historyEvent = z.object({
  /** Counts all events of the yard; gap-free for a watcher. */
  seq: z.int(),
  runId,
  /** From 1, gap-free per run. */
  n: z.int(),
  at: z.iso.datetime(),
  by: z.string(),
  type: z.string(),
  state: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type HistoryEvent = z.infer<typeof historyEvent>;

export const messageOutcome = z.object({
  /** Runs that the message started. */
  runs: z.array(runId),
  job: z.string().optional(),
  matched: z.array(z.string()),
  discarded: z.array(z.string()),
});
export type MessageOutcome = z.infer<typeof messageOutcome>;

export const SCOPES = ['read', 'submit', 'abort', 'operate', 'trigger', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const tokenBody = z.strictObject({
  kind: z.enum(['user', 'enrol']),
  name: z.string().min(1).max(100),
  scopes: z.array(z.enum(SCOPES)).default(['read']),
  ttlMs: z.int().positive().optional(),
});
export const enrolBody = z.strictObject({ name: idText });

export const outputStream = z.enum(STREAMS);

/** In order: from which byte on, and when it came in milliseconds since 1970, by the master's clock. */
export const outputTimes = z.object({
  marks: z.array(z.tuple([z.int().min(0), z.int()])),
});
export type OutputTimes = z.infer<typeof outputTimes>;
