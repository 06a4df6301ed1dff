import { formatInstant as iso } from '../base/units.ts';
import { isDone } from '../protocol/run.ts';
import type { RunState, RunStatus } from '../protocol/run.ts';
import type { HistoryEvent, JobStatus, SlaveStatus } from '../protocol/http.ts';
import { signalNumber } from './signals.ts';
import type { EventRecord, JobRecord, RunRecord, SlaveRecord } from './records.ts';
import type { Room } from './placement.ts';

/** Drops what is undefined: absent where not valid. */
function compact<T extends object>(value: T): T {
  for (const key of Object.keys(value) as (keyof T)[]) {
    if (value[key] === undefined) delete value[key];
  }
  return value;
}

/** A run as clients see it (spec row S1: which field is valid in which state). */
export function statusOf(run: RunRecord, baseUrl: string): RunStatus {
  const { id, context, facts } = run;
  const [state, substate] = run.state.split('.') as [RunState, string | undefined];
  const base = `${baseUrl}/runs/${id}`;
  const hasOutputs = context.startedAt !== undefined || context.outputs !== undefined;
  const status = {
    runId: id,
    name: facts.name,
    job: facts.job,
    state,
    substate,
    hold: isDone(run.state) ? undefined : context.hold,
    exitCode: state === 'COMPLETE' ? exitCodeOf(run) : undefined,
    signal:
      state === 'COMPLETE' && context.ending?.kind === 'signalled'
        ? context.ending.signal
        : undefined,
    error: state === 'FAILED' || state === 'ABORTED' ? context.error : undefined,
    reason: isDone(run.state) ? context.reason : undefined,
    attempt: context.attempt,
    failures: context.failures,
    lost: context.lost,
    slave: context.slave,
    arch: facts.arch,
    labels: Object.keys(facts.labels).length > 0 ? facts.labels : undefined,
    priority: facts.priority,
    requestor: facts.requestor,
    stdoutRef: hasOutputs ? `${base}/outputs/stdout` : undefined,
    stderrRef: hasOutputs ? `${base}/outputs/stderr` : undefined,
    combinedRef: hasOutputs ? `${base}/outputs/combined` : undefined,
    snapshotId: state === 'COMPLETE' ? facts.bundle : undefined,
    outputs: context.outputs,
    artifacts: context.artifacts?.map((artifact) => ({
      ...artifact,
      ref: `${base}/artifacts/${artifact.name.split('/').map(encodeURIComponent).join('/')}`,
    })),
    notes: context.notes && [...context.notes],
    createdAt: iso(facts.createdAt),
    startedAt: context.startedAt === undefined ? undefined : iso(context.startedAt),
    finishedAt: context.finishedAt === undefined ? undefined : iso(context.finishedAt),
  };
  return compact(status) as RunStatus;
}

export function exitCodeOf({ context: { ending } }: RunRecord): number | undefined {
  if (ending?.kind === 'exited') return ending.code;
  return ending?.kind === 'signalled' ? 128 + signalNumber(ending.signal) : undefined;
}

/** A token is a secret between the master and one slave. */
const UNTOLD = new Set(['type', 'at', 'token']);
/** Long, and with the status of the run for whoever needs them. */
const LONG = new Set([...UNTOLD, 'jitter', 'outputs', 'artifacts', 'notes']);

export function historyOf(record: EventRecord): HistoryEvent {
  return toldWithout(UNTOLD, record);
}

/** How a run ended, in short. */
export function endOf(record: EventRecord): HistoryEvent {
  return toldWithout(LONG, record);
}

function toldWithout(untold: ReadonlySet<string>, record: EventRecord): HistoryEvent {
  const { seq, run: runId, n, by, state, event } = record;
  const { type, at } = event;
  const detail: Record<string, unknown> = {};
  for (const name in event) if (!untold.has(name)) detail[name] = event[name];
  return { seq, runId, n, at: iso(at), by, type, state, detail };
}

export function jobStatusOf(job: JobRecord): JobStatus {
  return compact({
    jobId: job.id,
    name: job.name,
    state: job.state as JobStatus['state'],
    total: job.context.total,
    ended: job.context.ended,
    failed: job.context.failed,
    requestor: job.requestor,
    runs: job.runs,
    createdAt: iso(job.createdAt),
  }) as JobStatus;
}

export function slaveStatusOf(slave: SlaveRecord, room: Room | undefined): SlaveStatus {
  const { drain, seenAt, losses, whyGone } = slave.context;
  return compact({
    name: slave.name,
    state: slave.state as SlaveStatus['state'],
    ...slave.facts,
    used: room?.used.size ?? 0,
    runs: [...(room?.used.keys() ?? [])].map((key) => key.slice(0, key.lastIndexOf('.'))),
    drain:
      drain &&
      compact({
        by: drain.by,
        note: drain.note,
        since: iso(drain.at),
        until: drain.untilAt === undefined ? undefined : iso(drain.untilAt),
      }),
    losses,
    seenAt: seenAt === undefined ? undefined : iso(seenAt),
    whyGone,
  }) as SlaveStatus;
}
