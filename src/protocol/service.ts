/**
 * What the API calls: the master is given to it as these functions, so that the two rooms meet
 * only here. Every promise resolves after what it says is durable; expected failures reject with a
 * `YardError`, whose code decides the HTTP status.
 */
import type { Readable } from 'node:stream';
import type {
  ActorsAnswer,
  ClusterQuery,
  ClusterView,
  MachineView,
  MessageView,
  NextEvents,
  RunStep,
  SeriesView,
  SystemView,
  TicketAnswer,
} from './devtools.ts';
import type { RunExport } from './history-export.ts';
import type { Stream } from './outputs.ts';
import type {
  HistoryEvent,
  JobStatus,
  MessageOutcome,
  OutputTimes,
  RunQuery,
  Scope,
  SlaveStatus,
  WhyAnswer,
} from './http.ts';
import type { RunRequest, RunStatus } from './run.ts';

/** Who asks. `scopes` holds `admin` for an open loopback master. */
export interface Principal {
  name: string;
  kind: 'user' | 'slave' | 'enrol' | 'anonymous';
  scopes: readonly Scope[];
}

export interface Submitted {
  runId: string;
  /** false: an earlier submit with the same key made it. */
  created: boolean;
}

export interface OpenedOutput {
  body: Readable;
  /** Bytes of the whole output so far. */
  size: number;
  /** Nothing will be added. */
  complete: boolean;
  from: number;
  /** Exclusive. */
  to: number;
}

export interface OutputRange {
  /** From the end if negative (`bytes=-500`). */
  from: number;
  /** Exclusive. */
  to?: number | undefined;
}

export interface Watcher {
  /** Events after `since`, without a gap, then live ones; `stop` ends it. */
  stop: () => void;
}

/** ANDed. */
export interface WatchFilter {
  run?: string | undefined;
  /** Only events that end a run. */
  ends?: boolean | undefined;
}

/** One text frame of the protocol of `@statelyai/inspect`. */
export interface InspectFrame {
  type: string;
  /** The number of the yard's event that it is about. */
  seq?: number;
}

export interface Devtools {
  /** The history of a run, step by step; with `noise` the heartbeats that are still remembered. */
  steps: (runId: string, noise: boolean) => Promise<RunStep[]>;
  /** What a run would react to, as it stands or after its step with that `seq`. */
  next: (runId: string, at: number | undefined) => Promise<NextEvents>;
  exportRun: (runId: string) => Promise<RunExport>;
  cluster: (at: ClusterQuery['at']) => Promise<ClusterView>;
  machines: () => Promise<MachineView[]>;
  actors: () => Promise<ActorsAnswer>;
  /** Newest first. */
  listMessages: (limit: number) => Promise<MessageView[]>;
  series: (stepMs: number) => Promise<SeriesView>;
  system: () => Promise<SystemView>;
  /** Lets whoever shows it open one inspection socket as that principal, soon. */
  createTicket: (by: Principal) => Promise<TicketAnswer>;
  /** Takes it back for good; rejects with `auth.ticket`. */
  redeemTicket: (ticket: string) => Promise<Principal>;
  /**
   * Calls back with frames: actors, then what happened after `since`, then what happens. The past
   * waits for what `tell` returns; the present does not. A `tell` that throws is called no more.
   */
  inspect: (
    wanted: { run?: string | undefined; since?: number | undefined },
    tell: (frames: InspectFrame[]) => void | Promise<void>,
  ) => Promise<Watcher>;
}

export interface RunPage {
  runs: RunStatus[];
  /** Where to go on, as `before`: the search stopped there because it had looked at enough. */
  next?: string;
}

export interface MasterService extends Devtools {
  authenticate: (token: string | undefined, remote: string) => Promise<Principal>;

  submit: (requests: readonly RunRequest[], by: Principal) => Promise<Submitted[]>;
  submitJob: (
    job: { name?: string | undefined; requestor?: string | undefined; runs: RunRequest[] },
    by: Principal,
  ) => Promise<{ jobId: string; runs: string[] }>;
  getJob: (jobId: string) => Promise<JobStatus>;
  abortJob: (jobId: string, by: Principal, why: string) => Promise<JobStatus>;

  getRun: (runId: string) => Promise<RunStatus>;
  listRuns: (query: RunQuery) => Promise<RunPage>;
  getRequest: (runId: string) => Promise<RunRequest>;
  history: (runId: string) => Promise<HistoryEvent[]>;
  /** Resolves with the status when it is done, or as it is after `waitMs`. */
  waitRun: (runId: string, waitMs: number, signal: AbortSignal) => Promise<RunStatus>;
  /** The answer is the final status, whatever it is. */
  abortRun: (runId: string, by: Principal, why: string) => Promise<RunStatus>;
  holdRun: (runId: string, by: Principal, note: string) => Promise<RunStatus>;
  releaseRun: (runId: string, by: Principal) => Promise<RunStatus>;
  /** A new run with the same request. */
  rerun: (runId: string, by: Principal) => Promise<Submitted>;
  why: (runId: string) => Promise<WhyAnswer>;

  listSlaves: () => Promise<SlaveStatus[]>;
  getSlave: (name: string) => Promise<SlaveStatus>;
  drainSlave: (
    name: string,
    by: Principal,
    drain: { note: string; forMs?: number | undefined },
  ) => Promise<SlaveStatus>;
  resumeSlave: (name: string, by: Principal) => Promise<SlaveStatus>;

  openOutput: (
    runId: string,
    stream: Stream,
    options: { attempt?: number | undefined; range?: OutputRange | undefined; follow: boolean },
    signal: AbortSignal,
  ) => Promise<OpenedOutput>;
  /**
   * When its bytes from `from` on came: in order, of all that can be read of it by now. Bytes before
   * the first mark have no time that is known. What came with the report has that of its end.
   */
  outputTimes: (
    runId: string,
    stream: Stream,
    options: { attempt?: number | undefined; from?: number | undefined },
  ) => Promise<OutputTimes>;
  openArtifact: (
    runId: string,
    name: string,
    attempt: number | undefined,
  ) => Promise<{ body: Readable; bytes: number }>;
  /** From a slave; bytes that are already there are no error. */
  appendOutput: (
    at: { runId: string; attempt: number; token: string; stream: Stream; offset: number },
    bytes: Uint8Array,
    by: Principal,
  ) => Promise<{ size: number }>;
  putArtifact: (
    at: { runId: string; attempt: number; token: string; name: string; sha256: string },
    body: AsyncIterable<Uint8Array>,
    by: Principal,
  ) => Promise<void>;

  putBundle: (
    id: string,
    body: AsyncIterable<Uint8Array>,
  ) => Promise<{ id: string; bytes: number }>;
  statBundle: (id: string) => Promise<{ id: string; bytes: number }>;
  openBundle: (id: string) => Promise<{ body: Readable; bytes: number }>;

  /** One snapshot of the store as a stream, while the master serves on. */
  openBackup: () => Readable;

  /** Takes one raw message through triggers and rules. */
  takeMessage: (raw: unknown, by: Principal) => Promise<MessageOutcome>;

  createToken: (
    request: { kind: 'user' | 'enrol'; name: string; scopes: Scope[]; ttlMs?: number | undefined },
    by: Principal,
  ) => Promise<{ id: string; token: string; expiresAt?: string | undefined }>;
  listTokens: () => Promise<
    { id: string; kind: string; name: string; scopes: Scope[]; expiresAt?: string | undefined }[]
  >;
  revokeToken: (id: string, by: Principal) => Promise<void>;
  /** Trades an enrolment token, once, for a slave's credential. */
  enrol: (name: string, by: Principal) => Promise<{ token: string }>;

  /** Calls back with each event that is wanted after `since`, in order; `undefined`: from now on. */
  watch: (
    since: number | undefined,
    onEvents: (events: HistoryEvent[]) => void,
    wanted?: WatchFilter,
  ) => Promise<Watcher>;

  metrics: () => Promise<string>;
  readiness: () => Promise<{ ready: boolean; checks: Record<string, string> }>;
}
