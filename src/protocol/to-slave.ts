import { z } from 'zod';
import { ISOLATIONS, formulaCall, idText, runId } from './run.ts';

const attempt = z.int().positive();
const token = z.string().max(64);

/** What a slave needs to make one attempt. Durations travel, instants do not. */
export const assignment = z.object({
  runId,
  attempt,
  /** Against forgery: a report must repeat it. */
  token,
  argv: z.array(z.string()).min(1).optional(),
  formula: formulaCall.optional(),
  env: z.record(z.string(), z.string()),
  bundle: z.string().optional(),
  isolation: z.enum(ISOLATIONS),
  timeoutMs: z.int().min(0),
  outputTimeoutMs: z.int().min(0),
  graceMs: z.int().min(0),
  outputBytesMax: z.int().positive(),
  exclusive: z.boolean(),
});
export type Assignment = z.infer<typeof assignment>;

/** Everything the master may say to a slave. */
export const toSlave = z.discriminatedUnion('type', [
  /** Ends the handshake (dst.md part 4 step 7); `forget` names attempts to kill and drop. */
  z.object({
    type: z.literal('welcome'),
    masterEpoch: z.int().positive(),
    masterVersion: z.string(),
    protocol: z.string(),
    leaseMs: z.int().positive(),
    heartbeatMs: z.int().positive(),
    draining: z.boolean(),
    /** Attempts whose result is recorded, or that are stale: stop, then drop their spool. */
    forget: z.array(z.object({ runId, attempt })),
    /** Attempts to stop with grace; their end is still wanted. */
    stop: z.array(z.object({ runId, attempt })),
    /** Output bytes that the master holds of the attempts that go on. */
    held: z.array(z.object({ runId, attempt, sizes: z.record(z.string(), z.int().min(0)) })),
  }),
  z.object({ type: z.literal('refuse'), code: z.string(), message: z.string() }),
  assignment.extend({ type: z.literal('assign') }),
  z.object({ type: z.literal('stop'), runId, attempt }),
  /** The report is durable (or stale): the slave may drop its spool; `stale` also kills. */
  z.object({ type: z.literal('acknowledge'), runId, attempt, stale: z.boolean() }),
  z.object({ type: z.literal('renew'), beat: z.int().min(0) }),
  z.object({ type: z.literal('drain'), note: z.string(), by: idText.or(z.string()) }),
  z.object({ type: z.literal('resume') }),
]);
export type ToSlave = z.infer<typeof toSlave>;
