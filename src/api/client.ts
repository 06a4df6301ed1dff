/** The API as functions: one for each route, errors as the master named them. */
import { Readable } from 'node:stream';
import { WebSocket } from 'ws';
import { YardError, messageOf } from '../base/errors.ts';
import type { ErrorBody } from '../base/errors.ts';
import type { Stream } from '../protocol/outputs.ts';
import type {
  HistoryEvent,
  JobStatus,
  MessageOutcome,
  Scope,
  SlaveStatus,
  WhyAnswer,
} from '../protocol/http.ts';
import type { RunRequest, RunRequestInput, RunStatus } from '../protocol/run.ts';
import type { Submitted } from '../protocol/service.ts';

export interface ClientOptions {
  /** `http://HOST:PORT`. */
  server: string;
  token?: string | undefined;
}

export interface ListOptions {
  state?: string | readonly string[] | undefined;
  slave?: string | undefined;
  job?: string | undefined;
  name?: string | undefined;
  limit?: number | undefined;
  before?: string | undefined;
}

export interface FollowOptions {
  follow?: boolean | undefined;
  attempt?: number | undefined;
  /** Where to begin, in bytes. */
  from?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface TokenInfo {
  id: string;
  kind: string;
  name: string;
  scopes: Scope[];
  expiresAt?: string;
}

export function makeClient(options: ClientOptions) {
  const ask = makeAsk(options);
  const get = <T>(path: string, signal?: AbortSignal) =>
    ask.json<T>('GET', path, undefined, signal);
  const post = <T>(path: string, body: unknown = {}) => ask.json<T>('POST', path, body);
  const run = (id: string) => `/api/runs/${encodeURIComponent(id)}`;
  const slave = (name: string) => `/api/slaves/${encodeURIComponent(name)}`;

  function submit(request: RunRequestInput): Promise<Submitted>;
  function submit(requests: readonly RunRequestInput[]): Promise<Submitted[]>;
  function submit(body: RunRequestInput | readonly RunRequestInput[]): Promise<unknown> {
    return post('/api/runs', body);
  }

  return {
    server: options.server,
    submit,
    getRun: (id: string) => get<RunStatus>(run(id)),
    listRuns: (query: ListOptions = {}) =>
      get<RunStatus[]>(`/api/runs${queryOf({ ...query, state: query.state?.toString() })}`),
    getRequest: (id: string) => get<RunRequest>(`${run(id)}/request`),
    history: (id: string) => get<HistoryEvent[]>(`${run(id)}/history`),
    waitRun: (id: string, ms: number, signal?: AbortSignal) =>
      get<RunStatus>(`${run(id)}/wait?ms=${ms}`, signal),
    abortRun: (id: string, why = '') => post<RunStatus>(`${run(id)}/abort`, { why }),
    holdRun: (id: string, note = '') => post<RunStatus>(`${run(id)}/hold`, { note }),
    releaseRun: (id: string) => post<RunStatus>(`${run(id)}/release`),
    rerun: (id: string) => post<Submitted>(`${run(id)}/rerun`),
    why: (id: string) => get<WhyAnswer>(`${run(id)}/why`),
    submitJob: (job: { name?: string; runs: RunRequestInput[] }) =>
      post<{ jobId: string; runs: string[] }>('/api/jobs', job),
    getJob: (id: string) => get<JobStatus>(`/api/jobs/${encodeURIComponent(id)}`),
    abortJob: (id: string, why = '') =>
      post<JobStatus>(`/api/jobs/${encodeURIComponent(id)}/abort`, { why }),
    listSlaves: () => get<SlaveStatus[]>('/api/slaves'),
    getSlave: (name: string) => get<SlaveStatus>(slave(name)),
    drainSlave: (name: string, drain: { note: string; forMs?: number | undefined }) =>
      post<SlaveStatus>(`${slave(name)}/drain`, drain),
    resumeSlave: (name: string) => post<SlaveStatus>(`${slave(name)}/resume`),
    sendMessage: (message: unknown) => post<MessageOutcome>('/api/messages', message),
    createToken: (token: { kind: string; name: string; scopes?: string[]; ttlMs?: number }) =>
      post<{ id: string; token: string; expiresAt?: string }>('/api/tokens', token),
    listTokens: () => get<TokenInfo[]>('/api/tokens'),
    async revokeToken(id: string): Promise<void> {
      await ask.response('DELETE', `/api/tokens/${encodeURIComponent(id)}`);
    },
    version: () => get<{ version: string; protocol: string }>('/version'),
    async hasBundle(id: string): Promise<boolean> {
      const response = await ask.raw('HEAD', `/api/bundles/${encodeURIComponent(id)}`);
      return response.ok;
    },
    putBundle: (id: string, body: AsyncIterable<Uint8Array>, _bytes?: number) =>
      ask.upload<{ id: string; bytes: number }>(`/api/bundles/${encodeURIComponent(id)}`, body),
    followOutput: (id: string, stream: Stream, given: FollowOptions = {}) =>
      followOutput(ask, run(id), stream, given),
    watch: (given: { since?: number | undefined; run?: string | undefined }, signal: AbortSignal) =>
      watch(options, given, signal),
  };
}

interface Ask {
  raw: (method: string, path: string, init?: RequestInit) => Promise<Response>;
  response: (method: string, path: string, init?: RequestInit) => Promise<Response>;
  json: <T>(method: string, path: string, body?: unknown, signal?: AbortSignal) => Promise<T>;
  upload: <T>(path: string, body: AsyncIterable<Uint8Array>) => Promise<T>;
}

function makeAsk({ server, token }: ClientOptions): Ask {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  async function raw(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...authorization, ...(init.headers as Record<string, string>) };
    try {
      return await fetch(new URL(path, server), { ...init, method, headers });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw new YardError('net.unreachable', `master at ${server}: ${causeOf(cause)}`, {
        hint: 'is it running? see --server',
        cause,
      });
    }
  }

  async function response(method: string, path: string, init?: RequestInit): Promise<Response> {
    const answer = await raw(method, path, init);
    if (answer.ok) return answer;
    const body = (await answer.json().catch(() => ({}))) as { error?: ErrorBody };
    const { code, message, hint } = body.error ?? {};
    throw new YardError(
      code ?? 'net.answer',
      message ?? `${server} answered ${answer.status}`,
      hint === undefined ? {} : { hint },
    );
  }

  return {
    raw,
    response,
    async json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal) {
      const answer = await response(method, path, {
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        ...(signal ? { signal } : {}),
      });
      return (await answer.json()) as T;
    },
    async upload<T>(path: string, body: AsyncIterable<Uint8Array>) {
      const answer = await response('PUT', path, {
        body: Readable.toWeb(Readable.from(body)) as ReadableStream<Uint8Array>,
        headers: { 'content-type': 'application/octet-stream' },
        duplex: 'half',
      } as RequestInit);
      return (await answer.json()) as T;
    },
  };
}

function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? messageOf(error);
}

/** The bytes of an output; a cut connection is taken up again where it was. */
async function* followOutput(
  ask: Ask,
  run: string,
  stream: Stream,
  { follow = false, attempt, from = 0, signal }: FollowOptions,
): AsyncGenerator<Uint8Array> {
  const query = queryOf({ follow: follow ? '1' : undefined, attempt });
  let at = from;
  for (;;) {
    const headers: Record<string, string> = at > 0 ? { range: `bytes=${at}-` } : {};
    const init = { headers, ...(signal ? { signal } : {}) };
    const answer = await ask.raw('GET', `${run}/outputs/${stream}${query}`, init);
    if (answer.status === 416) return;
    if (!answer.ok) {
      await ask.response('GET', `${run}/outputs/${stream}${query}`, init);
      return;
    }
    try {
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
        at += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (signal?.aborted || !follow) throw error;
    }
  }
}

const RETRY_MS = 500;

/** Events as they happen, without gap or repetition across cuts; ends on the signal. */
async function* watch(
  { server, token }: ClientOptions,
  { since, run }: { since?: number | undefined; run?: string | undefined },
  signal: AbortSignal,
): AsyncGenerator<HistoryEvent> {
  let at = since;
  while (!signal.aborted) {
    const url = new URL(`/api/watch${queryOf({ since: at, run })}`, server);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(url, { headers });
    const queue: HistoryEvent[] = [];
    let open = true;
    let wake: () => void = () => {};
    const end = () => {
      open = false;
      wake();
    };
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; events?: HistoryEvent[] };
      queue.push(...(message.events ?? []));
      wake();
    });
    socket.on('close', end);
    socket.on('error', end);
    const onAbort = () => socket.terminate();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (open || queue.length > 0) {
        for (const event of queue.splice(0)) {
          at = event.seq;
          yield event;
        }
        if (open && queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.terminate();
    }
    if (!signal.aborted) await pause(RETRY_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    AbortSignal.timeout(ms).addEventListener('abort', () => resolve(), { once: true });
  });
}

function queryOf(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(
    given.map(([key, value]): [string, string] => [key, String(value)]),
  );
  return given.length === 0 ? '' : `?${query.toString()}`;
}
