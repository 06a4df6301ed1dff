/**
 * What devtools read: a run's history step by step, the yard at any moment of it, actors, machines,
 * figures over time. States are dotted paths of leaves (`PENDING.queued`). Actors are named `master`,
 * `run/ID`, `slave/NAME`, `clock` and `user/NAME`.
 */
import { z } from 'zod';
import { readInstant } from '../base/units.ts';
import { messageOutcome } from './http.ts';
import { idText, runId } from './run.ts';

/** Where the inspection socket is: it speaks the protocol of `@statelyai/inspect`. */
export const INSPECT_PATH = '/inspect';

const instant = z.iso.datetime();
const told = z.record(z.string(), z.unknown());

/** One step of a run: what came, from whom, and how it left the run. */
export const runStep = z.object({
  /** The event's number in the yard. Noise carries that of the event before it. */
  seq: z.int(),
  /** From 1, gap-free per run. Noise carries that of the event before it. */
  n: z.int(),
  at: instant,
  type: z.string(),
  from: z.string(),
  to: z.string(),
  /** `NEW` before the first. */
  before: z.string(),
  after: z.string(),
  /** Why the run ended, or why this came. */
  reason: z.string().optional(),
  /** What the event carries, without secrets. */
  event: told,
  /** The run's context after it, without secrets. */
  context: told,
  /** Names of the context's parts that it changed. */
  changed: z.array(z.string()),
  effects: z.array(z.string()),
  /** Messages that the effects sent. */
  sent: z.array(z.object({ to: z.string(), type: z.string() })),
  /** A heartbeat: no event of the run, shown with `noise=1`; fold those that follow one another. */
  noise: z.literal(true).optional(),
});
export type RunStep = z.infer<typeof runStep>;

export const stepsQuery = z.object({ noise: z.enum(['0', '1']).default('0') });

/** A state of a chart. */
const chartState = z.object({
  path: z.string(),
  /** Absent: outermost. */
  parent: z.string().optional(),
  type: z.enum(['atomic', 'compound', 'final']),
  /** Of a compound one: where it is entered. */
  initial: z.string().optional(),
});

/** One answer to an event; of several of one source and event the first whose guard holds counts. */
const chartTransition = z.object({
  /** The path of the state that answers; empty: the machine as a whole. */
  source: z.string(),
  event: z.string(),
  guard: z.string().optional(),
  /** A leaf. Absent: it stays where it is. */
  target: z.string().optional(),
  /** Actions that change the context. */
  changes: z.array(z.string()),
  /** What is asked of the master. */
  effects: z.array(z.string()),
});
export type ChartTransition = z.infer<typeof chartTransition>;

export const chart = z.object({
  id: z.string(),
  initial: z.string(),
  states: z.array(chartState),
  transitions: z.array(chartTransition),
});
export type Chart = z.infer<typeof chart>;

export const machineView = z.object({
  name: z.string(),
  chart,
  /** How many stand in each leaf. Absent: the master does not know these actors. */
  population: z.record(z.string(), z.int()).optional(),
});
export type MachineView = z.infer<typeof machineView>;

/** What a run would react to where it stands, its own state's answers first. */
export const nextEvents = z.object({
  runId,
  /** The step that it is about. */
  seq: z.int(),
  state: z.string(),
  events: z.array(
    chartTransition.extend({
      /** Whether it would be taken; absent: what the event carries decides. */
      open: z.boolean().optional(),
    }),
  ),
  /** What the clock will say if nothing else comes first. */
  deadline: z.object({ event: z.string(), at: instant }).optional(),
});
export type NextEvents = z.infer<typeof nextEvents>;

export const nextQuery = z.object({ at: z.coerce.number().int().min(1).optional() });

/** A number is a `seq`, anything else an RFC 3339 instant; absent: now. */
export const clusterQuery = z.object({
  at: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .or(z.iso.datetime({ offset: true }).transform((text) => ({ wallMs: readInstant(text) })))
    .optional(),
});
export type ClusterQuery = z.infer<typeof clusterQuery>;

const moment = z.object({ seq: z.int(), at: instant });

/** The yard after one of its events. */
export const clusterView = moment.extend({
  /** What can be asked for. */
  first: moment,
  last: moment,
  /** Runs in each leaf; those at zero are left out. */
  runs: z.record(z.string(), z.int()),
  /** Runs that wait for a slave. */
  queued: z.int(),
  slaves: z.array(
    z.object({
      name: z.string(),
      used: z.int(),
      /** As it says now; absent: no slave of that name is known any more. */
      slots: z.int().optional(),
    }),
  ),
});
export type ClusterView = z.infer<typeof clusterView>;

export const actorView = z.object({
  id: z.string(),
  kind: z.enum(['master', 'slave', 'run']),
  /** Absent: the root. */
  parent: z.string().optional(),
  state: z.string(),
  name: z.string().optional(),
  /** Of a run: its events; of a slave: what it sent since it connected; of the master: all events. */
  messages: z.int(),
  lastMessage: z.object({ type: z.string(), at: instant }).optional(),
});
export type ActorView = z.infer<typeof actorView>;

export const actorsAnswer = z.object({
  actors: z.array(actorView),
  /** Runs that are not done, the newest of which are among the actors. */
  liveRuns: z.int(),
});
export type ActorsAnswer = z.infer<typeof actorsAnswer>;

/** A message that came in, and what it started or why it did not. */
export const messageView = z.object({
  id: idText,
  at: instant,
  by: z.string(),
  topic: z.string().optional(),
  outcome: messageOutcome.optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type MessageView = z.infer<typeof messageView>;

/** Figures over time; each list is as long as `at`. */
export const SERIES = [
  'submittedPerSecond',
  'endedPerSecond',
  'badlyEndedPerSecond',
  'queueLength',
  'queueAgeMs',
  'liveRuns',
  'slotsUsed',
  'slots',
  'loopLagMs',
] as const;
export type SeriesName = (typeof SERIES)[number];

/** Each step is kept for so many of itself: 5 minutes, 1 hour, 24 hours. */
export const SERIES_STEPS = { 1000: 300, 10_000: 360, 60_000: 1440 } as const;

export const seriesQuery = z.object({
  stepMs: z.enum(['1000', '10000', '60000']).transform(Number).default(1000),
});

export const seriesView = z.object({
  stepMs: z.int(),
  /** The end of each step, in milliseconds since 1970. */
  at: z.array(z.number()),
  values: z.record(z.enum(SERIES), z.array(z.number())),
});
export type SeriesView = z.infer<typeof seriesView>;

export const systemView = z.object({
  version: z.string(),
  node: z.string(),
  epoch: z.int(),
  startedAt: instant,
  lastSeq: z.int(),
  liveRuns: z.int(),
  store: z.object({ kind: z.string(), bytes: z.int().optional() }),
  eventLoop: z.object({ lagMs: z.number(), lagMaxMs: z.number() }).optional(),
  memory: z.object({ rssBytes: z.int(), heapUsedBytes: z.int() }).optional(),
  sockets: z.object({ slaves: z.int(), watchers: z.int(), inspectors: z.int() }),
  inspect: z.object({
    /** Frames made for inspectors since the start: 0 where nobody looked. */
    frames: z.int(),
    errors: z.int(),
  }),
  /** Settings, without secrets. */
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type SystemView = z.infer<typeof systemView>;

export const ticketAnswer = z.object({
  /** Opens one inspection socket, once. */
  ticket: z.string(),
  expiresAt: instant,
});
export type TicketAnswer = z.infer<typeof ticketAnswer>;
