/**
 * One attempt on this slave: prepare, execute, collect, report. Every wait in it can be cut short
 * by a stop; whatever happens it ends with one report, kept on disk until the master has it.
 */
import { buggify } from '../base/buggify.ts';
import { sleep } from '../base/clock.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { YardError, isYardError, messageOf } from '../base/errors.ts';
import { LateAbort } from '../base/late-abort.ts';
import type { Log } from '../base/log.ts';
import type { Ending, OutputFacts } from '../protocol/run.ts';
import type { Assignment } from '../protocol/to-slave.ts';
import type { FinishedReport, HeldAttempt } from '../protocol/to-master.ts';
import { isNoRoom } from './errno.ts';
import { untilReached } from './patience.ts';
import type { Spool } from './spool.ts';
import type {
  Artifact,
  AttemptKey,
  Executor,
  OutputTail,
  Outputs,
  ProcessEnd,
  Workspace,
  Workspaces,
} from './ports.ts';

/** Streams that together hold no more ride along in the report. */
const INLINE_BYTES_MAX = 4096;
/** What a task left behind gets to end by itself (secops.md S28). */
const DRAIN_MS = 2_000;

export interface AttemptPorts {
  executor: Executor;
  workspaces: Workspaces;
  outputs: Outputs;
  spool: Spool;
  clock: Clock;
  log: Log;
  /** The command and its whole environment for an assignment in its workspace. */
  commandOf: (
    assignment: Assignment,
    workspace: Workspace,
  ) => { argv: readonly string[]; env: Record<string, string> };
  putArtifact: (
    assignment: Assignment,
    artifact: { name: string; sha256: string; path: string },
    signal: AbortSignal,
  ) => Promise<void>;
}

export type Phase = HeldAttempt['phase'];

export interface AttemptListener {
  onPhase: (phase: Exclude<Phase, 'preparing' | 'finished'>) => void;
  onReport: (report: FinishedReport) => void;
}

export interface Attempt {
  readonly assignment: Assignment;
  readonly phase: Phase;
  readonly report: FinishedReport | undefined;
  /** SIGTERM, the grace, SIGKILL; the end is reported as `ending`. Repeating it does nothing. */
  stop: (ending: Ending) => void;
  /** Nobody wants the end of it: kills at once and removes what it left. */
  discard: () => Promise<void>;
}

export function keyOf({ runId, attempt }: { runId: string; attempt: number }): AttemptKey {
  return `${runId}.${attempt}`;
}

export interface Takeover {
  /** Where an earlier process of this slave started it; absent: it is to be started. */
  workspace?: Workspace;
  /** It is not started before this resolves. */
  room?: Promise<void> | undefined;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Starts an attempt, or takes it up. */
export function startAttempt(
  assignment: Assignment,
  ports: AttemptPorts,
  listener: AttemptListener,
  { workspace: left, room }: Takeover = {},
): Attempt {
  const { executor, workspaces, outputs, spool, clock, log } = ports;
  const key = keyOf(assignment);
  const aborting = new LateAbort();
  /** By a stop that came after the process's end: what was not sent by then is left out. */
  const hurrying = new LateAbort();
  const discarding = new LateAbort();
  // Its fields change; accessors of an object would make a hidden class for each attempt.
  const attempt: Writable<Attempt> = {
    assignment,
    phase: 'preparing',
    report: undefined,
    stop,
    async discard() {
      if (!attempt.report) cease();
      await over;
      await workspaces.remove(key);
    },
  };
  let stopping: Ending | undefined;
  let tail: OutputTail | undefined;
  let isRunning = false;
  let hasEnded = false;
  const timers = new Set<Timer>();

  function later(ms: number, callback: () => void): void {
    timers.add(clock.setTimeout(callback, ms));
  }

  function enter(next: Exclude<Phase, 'preparing' | 'finished'>): void {
    attempt.phase = next;
    listener.onPhase(next);
  }

  function stop(ending: Ending): void {
    // What ended by itself in time did not time out because its outputs were slow to go.
    if (attempt.report || (hasEnded && ending.kind === 'timedOut')) return;
    // The master may repeat the one that ended the process; what is sent since then is wanted.
    if (hasEnded && stopping?.kind !== ending.kind) hurrying.abort(stopped());
    if (stopping) return;
    stopping = ending;
    if (attempt.phase !== 'collecting') enter('stopping');
    aborting.abort(stopped());
    if (isRunning) end();
  }

  /** Whatever comes of it is not wanted. */
  function cease(): void {
    discarding.abort(stopped());
    hurrying.abort(stopped());
    stop({ kind: 'aborted' });
    if (isRunning) executor.signal(key, 'SIGKILL');
  }

  function end(): void {
    executor.signal(key, 'SIGTERM');
    later(assignment.graceMs, () => {
      if (isRunning) executor.signal(key, 'SIGKILL');
    });
  }

  if (assignment.timeoutMs > 0) {
    later(assignment.timeoutMs, () => stop({ kind: 'timedOut', which: 'run' }));
  }

  function watchSilence(): void {
    const { outputTimeoutMs } = assignment;
    if (outputTimeoutMs === 0) return;
    const startedAt = clock.now();
    const check = () => {
      if (!isRunning || !tail) return;
      const silentMs = clock.now() - Math.max(tail.lastOutputAt, startedAt);
      if (silentMs >= outputTimeoutMs) stop({ kind: 'timedOut', which: 'output' });
      else later(outputTimeoutMs - silentMs, check);
    };
    later(outputTimeoutMs, check);
  }

  /** Resolves when the process itself has ended. */
  function execute(workspace: Workspace): Promise<ProcessEnd> {
    const { argv, env } = ports.commandOf(assignment, workspace);
    return new Promise((resolve) => {
      isRunning = true;
      const { stdout, stderr } = workspace.files;
      const { isolation } = assignment;
      executor.start(
        { key, argv, env, cwd: workspace.cwd, stdout, stderr, isolation },
        {
          started: () => {},
          ended(end) {
            isRunning = false;
            resolve(end);
          },
        },
      );
      tail = outputs.follow(key, workspace.files, assignment.outputBytesMax);
      watchSilence();
      enter('executing');
    });
  }

  /** Takes over a process that an earlier process of this slave started. */
  async function rejoin(workspace: Workspace): Promise<ProcessEnd | undefined> {
    let resolveEnd: (end: ProcessEnd) => void = () => {};
    const ended = new Promise<ProcessEnd>((resolve) => (resolveEnd = resolve));
    isRunning = true;
    const [adopted] = await executor.adopt([key], () => ({
      started: () => {},
      ended(end) {
        isRunning = false;
        resolveEnd(end);
      },
    }));
    if (!adopted || adopted.state === 'gone') {
      isRunning = false;
      return undefined;
    }
    tail = outputs.follow(key, workspace.files, assignment.outputBytesMax, {});
    watchSilence();
    if (isRunning && !stopping) enter('executing');
    else if (isRunning) end();
    return ended;
  }

  async function collect(workspace: Workspace, end: ProcessEnd): Promise<FinishedReport> {
    const notes: string[] = [];
    const leftBehind = await executor.settle(key, stopping ? 0 : DRAIN_MS);
    if (leftBehind > 0) notes.push(`output.pipe_held: ${leftBehind} processes were left behind`);
    const { manifests, inline } = await tail!.finish({ inlineMax: INLINE_BYTES_MAX });
    const isQuiet = Object.values(manifests).every(({ bytes }) => bytes === 0);
    const artifacts = await collectArtifacts(workspace, notes);
    if ((!isQuiet && !inline) || artifacts.length > 0) {
      if (!stopping) enter('collecting');
      await orAborted(tail!.flushed(), discarding.signal);
    }
    const sent = await sendArtifacts(artifacts, notes);
    return {
      ending: endingOf(end),
      outputs: manifests as OutputFacts,
      ...identity(),
      ...(inline && !isQuiet ? { inline } : {}),
      artifacts: sent.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
      notes,
    };
  }

  /** Resolves with those that the master has. */
  async function sendArtifacts(artifacts: Artifact[], notes: string[]): Promise<Artifact[]> {
    if (artifacts.length === 0) return [];
    const { signal } = hurrying;
    for (const [count, artifact] of artifacts.entries()) {
      const send = () => ports.putArtifact(assignment, artifact, signal);
      try {
        signal.throwIfAborted();
        await untilReached(clock, send, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        const left = `${artifacts.length - count} of ${artifacts.length} artifacts`;
        notes.push(`artifact.unsent: ${left} had not been sent when the attempt was stopped`);
        return artifacts.slice(0, count);
      }
    }
    return artifacts;
  }

  async function collectArtifacts(workspace: Workspace, notes: string[]) {
    try {
      return await workspaces.collect(workspace);
    } catch (error) {
      if (!isYardError(error)) throw error;
      // The task broke a limit; its verdict stands, the artifacts are left out and it is said.
      notes.push(error.message.slice(0, 400));
      return [];
    }
  }

  function endingOf(end: ProcessEnd): Ending {
    if (stopping) return stopping;
    switch (end.kind) {
      case 'exited':
        return { kind: 'exited', code: end.code };
      case 'signalled':
        return { kind: 'signalled', signal: end.signal };
      case 'unstartable':
        return { kind: 'failed', code: 'slave.exec', why: `could not exec: ${end.why}` };
    }
  }

  function identity() {
    const { runId, attempt, token } = assignment;
    return { runId, attempt, token };
  }

  function failure(error: unknown): FinishedReport {
    const { code, message } = asYardError(error);
    const why = message.slice(0, 2000);
    if (!stopping) log.warn({ run: assignment.runId, code, err: why }, 'attempt failed');
    return {
      ending: stopping ?? { kind: 'failed', code, why },
      ...identity(),
      artifacts: [],
      notes: [],
    };
  }

  async function perform(): Promise<FinishedReport> {
    if (left) {
      const end = await rejoin(left);
      hasEnded = true;
      if (end) return collect(left, end);
      return {
        ending: { kind: 'lost', why: 'the process was gone after a restart of the slave' },
        ...identity(),
        artifacts: [],
        notes: [],
      };
    }
    if (room) await orAborted(room, aborting.signal);
    const workspace = await workspaces.prepare(key, assignment.bundle, aborting);
    await spool.keepAssignment(key, assignment);
    if (buggify(clock, 'slave.start.late')) await sleep(clock, 300, aborting.signal);
    aborting.throwIfAborted();
    const end = await execute(workspace);
    hasEnded = true;
    return collect(workspace, end);
  }

  const over = perform()
    .catch(failure)
    .then(async (finished) => {
      for (const timer of timers) timer.cancel();
      tail?.stop();
      if (buggify(clock, 'slave.report.late')) await sleep(clock, 500);
      if (discarding.aborted) return;
      await spool.keepReport(key, finished).catch((error: unknown) => {
        // Without it a restart of this slave would report a loss; the master may hear it all the same.
        log.error({ attempt: key, err: messageOf(error) }, 'cannot spool a report');
      });
      attempt.phase = 'finished';
      attempt.report = finished;
      listener.onReport(finished);
    });

  return attempt;
}

function asYardError(error: unknown): { code: string; message: string } {
  if (isYardError(error)) return error;
  const what = messageOf(error);
  if (!isNoRoom(error)) return { code: 'internal.slave', message: what };
  return new YardError('slave.full', `the slave has no room for the attempt: ${what}`, {
    hint: 'make room below its --work-dir, then run it again',
  });
}

function stopped(): YardError {
  return new YardError('run.stopped', 'the attempt was stopped');
}

/** Rejects with the signal's reason, if that comes first. */
function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    promise.then(resolve, reject);
  });
}
