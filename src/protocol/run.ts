import { z } from 'zod';
import { STREAMS } from './outputs.ts';

/** Ids and names are also used as path segments, so nothing else is let in (secops.md part 1). */
export const idText = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must match [A-Za-z0-9_-]{1,64}');
export const runId = idText.describe('The id of a run.');

/** Scoot's states, public (spec row S1). The four after RUNNING, and UNKNOWN, are done. */
export const RUN_STATES = [
  'UNKNOWN',
  'PENDING',
  'RUNNING',
  'COMPLETE',
  'FAILED',
  'ABORTED',
  'TIMEDOUT',
] as const;
export type RunState = (typeof RUN_STATES)[number];

export function isDone(state: string): boolean {
  return state !== 'PENDING' && state !== 'RUNNING' && !state.includes('.');
}

/** none: a process group and a sweep; bwrap: a pid namespace; cgroup: a group of the kernel's. */
export const ISOLATIONS = ['none', 'bwrap', 'cgroup'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

export const ARCHES = [
  'x86_64',
  'aarch64',
  'ppc64le',
  's390x',
  'armhfp',
  'i386',
  'riscv64',
  'ppc64',
] as const;

/** What Node and other systems call the same architectures. */
const ARCH_ALIASES: Record<string, string> = {
  x64: 'x86_64',
  amd64: 'x86_64',
  arm64: 'aarch64',
  arm: 'armhfp',
  armv7l: 'armhfp',
  armv7hl: 'armhfp',
  ia32: 'i386',
  i486: 'i386',
  i586: 'i386',
  i686: 'i386',
};

/** The one name that Runyard uses for an architecture; unknown names come back as they are. */
export function normalArch(name: string): string {
  return Object.hasOwn(ARCH_ALIASES, name) ? ARCH_ALIASES[name]! : name;
}

/** How an attempt ended, as its slave tells it; `lost` also covers a slave that shuts down. */
export const ending = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('exited'), code: z.int().min(0).max(255) }),
  z.object({ kind: z.literal('signalled'), signal: z.string().regex(/^SIG[A-Z0-9+]{1,12}$/) }),
  z.object({ kind: z.literal('timedOut'), which: z.enum(['run', 'output']) }),
  z.object({ kind: z.literal('aborted') }),
  z.object({ kind: z.literal('lost'), why: z.string().max(400) }),
  z.object({
    kind: z.literal('failed'),
    code: z.string().regex(/^[a-z]+(\.[a-z_]+)+$/),
    why: z.string().max(2000),
  }),
]);
export type Ending = z.infer<typeof ending>;

/** Why a run ended, in one typed phrase. */
export type Reason =
  | `exited ${number}`
  | `signal ${string}`
  | 'timeout.run'
  | 'timeout.queue'
  | 'timeout.output'
  | `aborted by ${string}`
  | `blocked by ${string}`
  | `lost slave ${string}`
  | `${string}.${string}`;

export const streamFacts = z.object({
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  droppedBytes: z.int().min(0),
});
export type StreamFacts = z.infer<typeof streamFacts>;

export const outputFacts = z.object({
  stdout: streamFacts,
  stderr: streamFacts,
  combined: streamFacts,
});
export type OutputFacts = Record<(typeof STREAMS)[number], StreamFacts>;

export const artifactFacts = z.object({
  name: z.string().min(1).max(1024),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ArtifactFacts = z.infer<typeof artifactFacts>;

const ENV_BYTES_MAX = 64 * 1024;
const ENV_DENIED =
  /^(?:GIT_.*|LD_.*|NODE_OPTIONS|BASH_ENV|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|RUNYARD_.*)$/;

const text = z.string().refine((value) => !value.includes('\0'), 'must not hold NUL');

/** What a task may not set itself (secops.md S19), and what a name cannot be. */
export const environment = z.record(z.string(), text).superRefine((env, context) => {
  let bytes = 0;
  for (const [name, value] of Object.entries(env)) {
    bytes += name.length + value.length;
    if (name === '' || /[=\0]/.test(name)) {
      context.addIssue({ code: 'custom', message: `name ${JSON.stringify(name)} is not one` });
    } else if (ENV_DENIED.test(name)) {
      context.addIssue({ code: 'custom', message: `${name} is denied: it steers programs or us` });
    }
  }
  if (bytes > ENV_BYTES_MAX) {
    context.addIssue({ code: 'custom', message: `over ${ENV_BYTES_MAX} bytes` });
  }
});

export const labels = z.record(z.string().regex(/^[A-Za-z0-9_.\-/]{1,64}$/), z.string().max(128));
export const resources = z.record(z.string().regex(/^[a-z][a-zA-Z0-9_]{0,31}$/), z.number().min(0));

const durationMs = z.int().min(0).max(31_536_000_000);

export const retryPolicy = z.object({
  /** Exit codes that are worth another try; absent: every code but 0. */
  exitCodes: z.array(z.int().min(0).max(255)).max(256).optional(),
  /** Other endings that are: a signal's name, `timeout.run`, `timeout.output`, or an error code. */
  reasons: z.array(z.string().max(100)).max(50).optional(),
  backoffMs: durationMs.default(1000),
  backoffMaxMs: durationMs.default(60_000),
});

/** What a formula run is about; the slave performs it with `runtask`. */
export const formulaCall = z.object({
  /** Relative to the bundle's root. */
  file: z.string().min(1).max(1024).default('task.yml'),
  item: z
    .string()
    .min(1)
    .max(4096)
    .refine((value) => !value.includes('\0')),
  itemType: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
});

/** A request to perform a task: either a bare command, or a formula in a bundle. */
export const runRequest = z
  .strictObject({
    argv: z.array(text).min(1).max(4096).optional(),
    formula: formulaCall.optional(),
    name: z.string().min(1).max(200).optional(),
    env: environment.default({}),
    /** `fs-…` or `git+URL@COMMIT`. */
    bundle: z.string().max(4096).optional(),
    arch: z.string().max(32).optional(),
    labels: labels.default({}),
    resources: resources.default({}),
    isolation: z.enum(ISOLATIONS).default('none'),
    priority: z.int().min(-100).max(100).default(0),
    /** From the start of preparation; 0: none. */
    timeoutMs: durationMs.default(0),
    queueTimeoutMs: durationMs.default(0),
    outputTimeoutMs: durationMs.default(0),
    graceMs: z.int().min(0).max(600_000).default(10_000),
    retries: z.int().min(0).max(100).default(0),
    retry: retryPolicy.default({ backoffMs: 1000, backoffMaxMs: 60_000 }),
    lostMax: z.int().min(0).max(100).default(5),
    exclusive: z.boolean().default(false),
    outputBytesMax: z
      .int()
      .min(1024)
      .max(2 ** 30)
      .default(64 * 2 ** 20),
    /** Repeating a submit with the same key gives the same run. */
    key: z.string().min(1).max(200).optional(),
    held: z.boolean().default(false),
    /** Runs that must end well first. */
    after: z.array(runId).max(1000).default([]),
    requestor: z.string().max(200).optional(),
  })
  .refine((request) => (request.argv === undefined) !== (request.formula === undefined), {
    message: 'give either argv or formula',
  })
  .refine((request) => request.argv?.[0] !== '', {
    path: ['argv', 0],
    message: 'must not be empty',
  })
  .refine((request) => !request.formula || request.bundle !== undefined, {
    path: ['bundle'],
    message: 'a formula needs the bundle that holds it',
  })
  .refine((request) => !request.formula || isInside(request.formula.file), {
    path: ['formula', 'file'],
    message: 'must be a relative path inside the repository',
  });
export type RunRequest = z.infer<typeof runRequest>;
export type RunRequestInput = z.input<typeof runRequest>;

function isInside(path: string): boolean {
  return !path.startsWith('/') && !path.includes('\0') && !path.split('/').includes('..');
}

/** A run as clients see it: Scoot's RunStatus in camelCase; absent where not valid. */
export const runStatus = z.object({
  runId,
  name: z.string().optional(),
  job: z.string().optional(),
  state: z.enum(RUN_STATES),
  substate: z.string().optional(),
  /** Nothing of it is started before its release; an attempt that goes on may do so. */
  hold: z.object({ by: z.string(), note: z.string() }).optional(),
  /** Only with COMPLETE and FAILED; 128+n for a signal. */
  exitCode: z.int().optional(),
  signal: z.string().optional(),
  error: z.string().optional(),
  reason: z.string().optional(),
  attempt: z.int(),
  failures: z.int(),
  lost: z.int(),
  slave: z.string().optional(),
  arch: z.string().optional(),
  labels: labels.optional(),
  priority: z.int(),
  requestor: z.string().optional(),
  stdoutRef: z.string().optional(),
  stderrRef: z.string().optional(),
  combinedRef: z.string().optional(),
  snapshotId: z.string().optional(),
  outputs: outputFacts.optional(),
  artifacts: z.array(artifactFacts.extend({ ref: z.string() })).optional(),
  notes: z.array(z.string()).optional(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
});
export type RunStatus = z.infer<typeof runStatus>;
