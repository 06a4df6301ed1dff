/** One request to a master and its answer; what goes wrong is named as the master named it. */
import { Readable } from 'node:stream';
import { systemClock } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import type { ErrorBody } from '../base/errors.ts';
import { causeOf, unreachable } from '../protocol/unreachable.ts';

export interface ClientOptions {
  /** `http://HOST:PORT`. */
  server: string;
  token?: string | undefined;
  fetch?: typeof fetch;
  clock?: Clock;
}

export interface Ask {
  server: string;
  clock: Clock;
  headers: Readonly<Record<string, string>>;
  /** Resolves with an answer that is one of success. */
  response: (method: string, path: string, init?: RequestInit) => Promise<Response>;
  json: <T>(method: string, path: string, body?: unknown, signal?: AbortSignal) => Promise<T>;
  bytes: (path: string, signal?: AbortSignal) => AsyncIterable<Uint8Array>;
  upload: (
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    headers?: Record<string, string>,
  ) => Promise<Response>;
}

/** A kept connection that ended under the request; where nothing is changed, once more. */
const ENDED = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export function makeAsk(options: ClientOptions): Ask {
  const { token, clock = systemClock } = options;
  const server = options.server.replace(/\/+$/, '');
  const send = options.fetch ?? fetch;
  const headers: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };

  async function raw(method: string, path: string, init: RequestInit): Promise<Response> {
    const request = {
      ...init,
      method,
      headers: { ...headers, ...(init.headers as Record<string, string> | undefined) },
    };
    for (let tries = method === 'GET' || method === 'HEAD' ? 2 : 1; ; tries--) {
      try {
        return await send(`${server}${path}`, request);
      } catch (error) {
        if (init.signal?.aborted) throw error;
        if (tries <= 1 || !ENDED.has(causeOf(error))) throw unreachable(server, error);
      }
    }
  }

  async function response(method: string, path: string, init: RequestInit = {}) {
    const answer = await raw(method, path, init);
    if (!answer.ok) throw await faultOf(server, answer);
    return answer;
  }

  async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal) {
    const init: RequestInit = signal ? { signal } : {};
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'content-type': 'application/json' };
    }
    const answer = await response(method, path, init);
    return (await answer.json()) as T;
  }

  return {
    server,
    clock,
    headers,
    response,
    json,
    async *bytes(path, signal) {
      const { body } = await response('GET', path, signal ? { signal } : {});
      yield* body as unknown as AsyncIterable<Uint8Array>;
    },
    upload: (path, body, extra = {}) =>
      response('PUT', path, {
        body: (body instanceof Uint8Array
          ? body
          : Readable.toWeb(Readable.from(body))) as ReadableStream<Uint8Array>,
        headers: { 'content-type': 'application/octet-stream', ...extra },
        duplex: 'half',
      } as RequestInit),
  };
}

async function faultOf(server: string, answer: Response): Promise<YardError> {
  const text = await answer.text();
  return errorOf(server, answer.status, text, answer.headers.get('x-runyard-error'));
}

/** The error that a master answered; a stranger's answer is named as one. */
export function errorOf(
  server: string,
  status: number,
  text: string,
  code: string | null | undefined,
): YardError {
  let body: Partial<ErrorBody> = {};
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'object' && error !== null) body = error;
  } catch {
    // An answer to HEAD, or no answer of ours: its status is all that it says.
  }
  return new YardError(
    body.code ?? code ?? 'net.answer',
    body.message ?? `${server} answered ${status}`,
    body.hint === undefined ? {} : { hint: body.hint },
  );
}

/** The values of a list are given one after the other, under the same key. */
export function queryOf(
  values: Record<string, string | number | readonly string[] | undefined>,
): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    for (const one of [value].flat()) query.append(key, String(one));
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}
