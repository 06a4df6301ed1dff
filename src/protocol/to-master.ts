import { z } from 'zod';
import { artifactFacts, ending, idText, labels, outputFacts, resources, runId } from './run.ts';

const attempt = z.int().positive();
const token = z.string().max(64);
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'must be bytes');

/** The whole report of an attempt; small outputs ride along. */
export const finishedReport = z.object({
  runId,
  attempt,
  token,
  ending,
  outputs: outputFacts.optional(),
  /** Present: these are all the bytes; absent: they went over HTTP before this report. */
  inline: z
    .object({
      stdout: bytes,
      stderr: bytes,
      combined: bytes,
    })
    .optional(),
  artifacts: z.array(artifactFacts).max(1000).default([]),
  notes: z.array(z.string().max(400)).max(20).default([]),
});
export type FinishedReport = z.infer<typeof finishedReport>;

export const heldAttempt = z.object({
  runId,
  attempt,
  token,
  phase: z.enum(['preparing', 'executing', 'collecting', 'stopping', 'finished']),
});
export type HeldAttempt = z.infer<typeof heldAttempt>;

export const hello = z.object({
  type: z.literal('hello'),
  name: idText,
  /** New for each process of the slave. */
  incarnation: idText,
  protocol: z.object({ min: z.string(), max: z.string() }),
  version: z.string().max(64),
  arch: z.string().max(32),
  labels,
  slots: z.int().min(1).max(256),
  resources,
  isolations: z.array(z.string().max(32)).max(8),
  draining: z.boolean(),
  /** Attempts that it still works on or whose report was not acknowledged. */
  held: z.array(heldAttempt).max(1000),
  /** Reports that were not acknowledged, as many as fit; the others follow the welcome. */
  reports: z.array(finishedReport).max(200),
  /** Highest epoch of a master it has seen; a master with a lower one is refused. */
  masterEpoch: z.int().min(0),
  host: z.string().max(255),
});
export type Hello = z.infer<typeof hello>;

/** Everything a slave may say to the master. */
export const toMaster = z.discriminatedUnion('type', [
  hello,
  z.object({ type: z.literal('heartbeat'), beat: z.int().min(0) }),
  z.object({ type: z.literal('reject'), runId, attempt, token, reason: z.string().max(400) }),
  z.object({ type: z.literal('accept'), runId, attempt, token }),
  z.object({
    type: z.literal('progress'),
    runId,
    attempt,
    token,
    phase: z.enum(['executing', 'collecting', 'stopping']),
  }),
  finishedReport.extend({ type: z.literal('finished') }),
  /** Takes no new work: it was drained, which is now on its disk, or it is going away. */
  z.object({ type: z.literal('drained'), leaving: z.boolean().default(false) }),
  /** The slave leaves on purpose: what it held is to be given to others at once. */
  z.object({ type: z.literal('goodbye'), reason: z.string().max(400) }),
]);
export type ToMaster = z.infer<typeof toMaster>;
