/** The API as functions: one for each route, errors as the master named them. */
import type { ClusterView, RunStep } from '../protocol/devtools.ts';
import type {
  HistoryEvent,
  JobStatus,
  MessageOutcome,
  OutputTimes,
  Scope,
  SlaveStatus,
  WhyAnswer,
} from '../protocol/http.ts';
import type { Stream } from '../protocol/outputs.ts';
import type { RunRequest, RunRequestInput, RunStatus } from '../protocol/run.ts';
import type { Submitted } from '../protocol/service.ts';
import { isYardError } from '../base/errors.ts';
import { makeAsk, queryOf } from './ask.ts';
import type { Ask, ClientOptions } from './ask.ts';
import { findRuns, listPath } from './find-runs.ts';
import type { ListOptions } from './find-runs.ts';
import { followOutput } from './follow.ts';
import type { FollowOptions } from './follow.ts';
import { inspectFrames } from './inspect-client.ts';
import type { InspectQuery } from './inspect-client.ts';
import { watchEvents } from './watch-client.ts';
import type { WatchQuery } from './watch-client.ts';

export interface TokenInfo {
  id: string;
  kind: string;
  name: string;
  scopes: Scope[];
  expiresAt?: string;
}

/** Names one attempt of a run, and proves that it was granted to who uploads. */
export interface AttemptClaim {
  runId: string;
  attempt: number;
  token: string;
}

/** An answer that takes longer than this is taken for lost by `fetch`. */
const WAIT_MAX_MS = 240_000;

export function makeClient(options: ClientOptions) {
  const ask = makeAsk(options);
  return {
    server: options.server,
    ...runCalls(ask),
    ...jobCalls(ask),
    ...slaveCalls(ask),
    ...blobCalls(ask),
    ...otherCalls(ask),
  };
}

function segment(text: string): string {
  return encodeURIComponent(text);
}

function runPath(id: string): string {
  return `/api/runs/${segment(id)}`;
}

function runCalls(ask: Ask) {
  const get = <T>(path: string) => ask.json<T>('GET', path);
  const post = <T>(path: string, body?: unknown) => ask.json<T>('POST', path, body);

  function submit(request: RunRequestInput): Promise<Submitted>;
  function submit(requests: readonly RunRequestInput[]): Promise<Submitted[]>;
  function submit(body: RunRequestInput | readonly RunRequestInput[]): Promise<unknown> {
    return post('/api/runs', body);
  }

  return {
    submit,
    getRun: (id: string) => get<RunStatus>(runPath(id)),
    /** One page of runs, newest first. */
    listRuns: (query: ListOptions = {}) => get<RunStatus[]>(listPath(query)),
    /** The newest `max` runs that fit, however many pages that takes. */
    findRuns: (query: Omit<ListOptions, 'limit'>, max: number) => findRuns(ask, query, max),
    getRequest: (id: string) => get<RunRequest>(`${runPath(id)}/request`),
    history: (id: string) => get<HistoryEvent[]>(`${runPath(id)}/history`),
    /** The run once it is done, or as it stands after `ms`, at most four minutes. */
    waitRun: (id: string, ms: number, signal?: AbortSignal) =>
      ask.json<RunStatus>(
        'GET',
        `${runPath(id)}/wait?ms=${Math.min(ms, WAIT_MAX_MS)}`,
        undefined,
        signal,
      ),
    abortRun: (id: string, why = '') => post<RunStatus>(`${runPath(id)}/abort`, { why }),
    holdRun: (id: string, note = '') => post<RunStatus>(`${runPath(id)}/hold`, { note }),
    releaseRun: (id: string) => post<RunStatus>(`${runPath(id)}/release`),
    rerun: (id: string) => post<Submitted>(`${runPath(id)}/rerun`),
    why: (id: string) => get<WhyAnswer>(`${runPath(id)}/why`),
    followOutput: (id: string, stream: Stream, given: FollowOptions = {}) =>
      followOutput(ask, runPath(id), stream, given),
    /** The end of what a run wrote, at most so many bytes. */
    async tailOutput(id: string, stream: Stream, bytes: number, attempt?: number) {
      const path = `${runPath(id)}/outputs/${stream}${queryOf({ attempt })}`;
      const headers = { range: `bytes=-${bytes}` };
      return new Uint8Array(await (await ask.response('GET', path, { headers })).arrayBuffer());
    },
    /** When its bytes from `from` on were written. */
    outputTimes: (
      id: string,
      stream: Stream,
      query: { attempt?: number | undefined; from?: number | undefined } = {},
    ) => get<OutputTimes>(`${runPath(id)}/outputs/${stream}/times${queryOf(query)}`),
    openArtifact: (id: string, name: string, attempt?: number) => {
      const path = name.split('/').map(segment).join('/');
      return ask.bytes(`${runPath(id)}/artifacts/${path}${queryOf({ attempt })}`);
    },
    watch: (query: WatchQuery, signal: AbortSignal) => watchEvents(ask, query, signal),
    inspect: (query: InspectQuery, signal: AbortSignal) => inspectFrames(ask, query, signal),
    steps: (id: string) => get<RunStep[]>(`${runPath(id)}/events`),
    /** The yard after that event; absent: now. */
    cluster: (seq?: number) => get<ClusterView>(`/api/cluster${queryOf({ at: seq })}`),
  };
}

function jobCalls(ask: Ask) {
  const job = (id: string) => `/api/jobs/${segment(id)}`;
  return {
    submitJob: (body: { name?: string; requestor?: string; runs: RunRequestInput[] }) =>
      ask.json<{ jobId: string; runs: string[] }>('POST', '/api/jobs', body),
    getJob: (id: string) => ask.json<JobStatus>('GET', job(id)),
    abortJob: (id: string, why = '') => ask.json<JobStatus>('POST', `${job(id)}/abort`, { why }),
  };
}

function slaveCalls(ask: Ask) {
  const slave = (name: string) => `/api/slaves/${segment(name)}`;
  const upload = (
    { runId, attempt, token }: AttemptClaim,
    rest: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ) => {
    const path = `/api/attempts/${segment(runId)}/${attempt}/${rest}`;
    return ask.upload(path, body, { 'x-runyard-attempt-token': token });
  };
  return {
    listSlaves: () => ask.json<SlaveStatus[]>('GET', '/api/slaves'),
    getSlave: (name: string) => ask.json<SlaveStatus>('GET', slave(name)),
    drainSlave: (name: string, drain: { note: string; forMs?: number | undefined }) =>
      ask.json<SlaveStatus>('POST', `${slave(name)}/drain`, drain),
    resumeSlave: (name: string) => ask.json<SlaveStatus>('POST', `${slave(name)}/resume`),
    enrol: (name: string) => ask.json<{ token: string }>('POST', '/api/slaves/enrol', { name }),
    async appendOutput(claim: AttemptClaim, stream: Stream, offset: number, bytes: Uint8Array) {
      const answer = await upload(claim, `outputs/${stream}?offset=${offset}`, bytes);
      return (await answer.json()) as { size: number };
    },
    async putArtifact(
      claim: AttemptClaim,
      { name, sha256 }: { name: string; sha256: string },
      body: AsyncIterable<Uint8Array>,
    ): Promise<void> {
      await upload(claim, `artifacts/${segment(name)}?sha256=${sha256}`, body);
    },
  };
}

function blobCalls(ask: Ask) {
  const bundle = (id: string) => `/api/bundles/${segment(id)}`;
  return {
    async hasBundle(id: string): Promise<boolean> {
      try {
        await ask.response('HEAD', bundle(id));
        return true;
      } catch (error) {
        if (isYardError(error) && error.code === 'bundle.unknown') return false;
        throw error;
      }
    },
    async putBundle(id: string, body: AsyncIterable<Uint8Array>, _bytes?: number) {
      const answer = await ask.upload(bundle(id), body);
      return (await answer.json()) as { id: string; bytes: number };
    },
    openBundle: (id: string, signal?: AbortSignal) => ask.bytes(bundle(id), signal),
  };
}

function otherCalls(ask: Ask) {
  return {
    sendMessage: (message: unknown) => ask.json<MessageOutcome>('POST', '/api/messages', message),
    createToken: (token: { kind: string; name: string; scopes?: string[]; ttlMs?: number }) =>
      ask.json<{ id: string; token: string; expiresAt?: string }>('POST', '/api/tokens', token),
    listTokens: () => ask.json<TokenInfo[]>('GET', '/api/tokens'),
    async revokeToken(id: string): Promise<void> {
      await ask.response('DELETE', `/api/tokens/${segment(id)}`);
    },
    openBackup: () => ask.bytes('/api/backup'),
    version: () => ask.json<{ version: string; protocol: string; node: string }>('GET', '/version'),
    async metrics(): Promise<string> {
      return (await ask.response('GET', '/metrics')).text();
    },
  };
}
