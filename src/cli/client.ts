/** What the verbs ask of a master: the part of the API's client that they use. */
import type { Readable } from 'node:stream';
import type { ClusterView } from '../protocol/devtools.ts';
import type {
  HistoryEvent,
  MessageOutcome,
  OutputTimes,
  Scope,
  SlaveStatus,
  WhyAnswer,
} from '../protocol/http.ts';
import type { Stream } from '../protocol/outputs.ts';
import type { RunRequestInput, RunState, RunStatus } from '../protocol/run.ts';

export interface Client {
  submit: (request: RunRequestInput) => Promise<Submitted>;
  getRun: (runId: string) => Promise<RunStatus>;
  listRuns: (query: ListQuery) => Promise<RunStatus[]>;
  /** The newest `max` runs that fit; `isCut`: there are more. */
  findRuns: (query: FindQuery, max: number) => Promise<{ runs: RunStatus[]; isCut: boolean }>;
  history: (runId: string) => Promise<HistoryEvent[]>;
  /** The run once it is done, or as it stands after `waitMs`. */
  waitRun: (runId: string, waitMs: number, signal: AbortSignal) => Promise<RunStatus>;
  abortRun: (runId: string, why: string) => Promise<RunStatus>;
  holdRun: (runId: string, note: string) => Promise<RunStatus>;
  releaseRun: (runId: string) => Promise<RunStatus>;
  rerun: (runId: string) => Promise<Submitted>;
  why: (runId: string) => Promise<WhyAnswer>;
  followOutput: (
    runId: string,
    stream: Stream,
    options: OutputOptions,
  ) => AsyncIterable<Uint8Array>;
  outputTimes: (
    runId: string,
    stream: Stream,
    query: { attempt: number; from: number },
  ) => Promise<OutputTimes>;
  tailOutput: (
    runId: string,
    stream: Stream,
    bytes: number,
    attempt?: number,
  ) => Promise<Uint8Array>;
  /** Events as they happen, across a master that restarts; ends on the signal. */
  watch: (query: WatchQuery, signal: AbortSignal) => AsyncIterable<HistoryEvent>;
  /** Frames of the Stately protocol, each as its text; ends with the connection or the signal. */
  inspect: (query: InspectQuery, signal: AbortSignal) => AsyncIterable<string>;
  cluster: () => Promise<ClusterView>;

  listSlaves: () => Promise<SlaveStatus[]>;
  getSlave: (name: string) => Promise<SlaveStatus>;
  drainSlave: (name: string, drain: { note: string; forMs?: number }) => Promise<SlaveStatus>;
  resumeSlave: (name: string) => Promise<SlaveStatus>;

  hasBundle: (id: string) => Promise<boolean>;
  putBundle: (id: string, body: Readable, bytes: number) => Promise<unknown>;
  sendMessage: (message: unknown) => Promise<MessageOutcome>;

  createToken: (request: TokenRequest) => Promise<CreatedToken>;
  listTokens: () => Promise<ListedToken[]>;
  openBackup: () => AsyncIterable<Uint8Array>;
  revokeToken: (id: string) => Promise<void>;
}

export interface WatchQuery {
  since?: number;
  run?: string;
  ends?: boolean;
}

export interface InspectQuery {
  run?: string;
  since?: number;
}

export interface Submitted {
  runId: string;
  /** false: an earlier submit with the same key made it. */
  created: boolean;
}

export interface FindQuery extends Omit<ListQuery, 'limit'> {
  ended?: 'well' | 'badly';
  /** An instant, RFC 3339. */
  since?: string;
  text?: readonly string[];
}

export interface ListQuery {
  state?: RunState[];
  slave?: string;
  job?: string;
  name?: string;
  limit?: number;
  before?: string;
}

export interface OutputOptions {
  attempt: number;
  /** Goes on until the attempt is over. */
  follow: boolean;
  /** Bytes to leave out at the start. */
  from?: number;
  signal?: AbortSignal;
}

export interface TokenRequest {
  kind: 'user' | 'enrol';
  name: string;
  scopes: Scope[];
  ttlMs?: number;
}

export interface CreatedToken {
  id: string;
  token: string;
  expiresAt?: string | undefined;
}

export interface ListedToken {
  id: string;
  kind: string;
  name: string;
  scopes: Scope[];
  expiresAt?: string | undefined;
}
