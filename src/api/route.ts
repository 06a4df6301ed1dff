/** What a route is, and what routes share. */
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { YardError, isYardError, messageOf } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { idText } from '../protocol/run.ts';
import type { MasterService, Principal } from '../protocol/service.ts';
import type { Needed } from './gate.ts';
import { problemsOf } from './input.ts';

export interface Call {
  request: FastifyRequest;
  reply: FastifyReply;
  service: MasterService;
  by: Principal;
  /** Where the Stately Inspector is served. */
  statelyUi: string;
  /** Aborts when the asker is gone. */
  signal: AbortSignal;
}

export interface Route {
  /** A GET answers HEAD, too. */
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  scope: Needed;
  summary: string;
  /** A JSON body. */
  body?: z.ZodType;
  /** A body of bytes instead, of at most so many. */
  bytesMax?: number;
  query?: z.ZodObject;
  /** The status of success, where it is not 200. */
  status?: 201 | 204;
  /** What it answers: JSON of that shape, or another content type. */
  answer?: z.ZodType | 'text/plain' | 'application/octet-stream' | 'application/x-ndjson';
  handle: (call: Call) => unknown;
}

export const idParam = z.object({ id: idText });

/** Names in a path that cannot be any thing's are refused before anybody looks for them. */
export function paramsOf<T>({ request }: Call, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(request.params);
  if (parsed.success) return parsed.data;
  const text = problemsOf(parsed.error).map(({ path, message }) => `${path}: ${message}`);
  throw new YardError('ref.invalid', text.join('; '));
}

/** An absent body reads as an empty one, so that a POST without options needs none. */
export function bodyOf<T>({ request }: Call, schema: z.ZodType<T>): T {
  return schema.parse(request.body ?? {});
}

export function queryOf<T>({ request }: Call, schema: z.ZodType<T>): T {
  return schema.parse(request.query);
}

/** The bytes of the body as they come; over the limit, or cut short, they end in an error. */
export async function* bytesOf({ request }: Call, bytesMax: number): AsyncGenerator<Uint8Array> {
  const body = request.body as Readable | null | undefined;
  if (!body) return;
  let bytes = 0;
  let whole = false;
  try {
    checkLimit(Number(request.headers['content-length'] ?? 0));
    // A destroyed request would take the connection along, and the answer on it.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Uint8Array).length;
      checkLimit(bytes);
      yield chunk as Uint8Array;
    }
    whole = true;
  } catch (error) {
    if (isYardError(error)) throw error;
    throw new YardError('net.cut', `the upload ended early: ${messageOf(error)}`);
  } finally {
    // What nobody reads would hold the connection up.
    if (!whole) body.resume();
  }

  function checkLimit(size: number): void {
    if (size <= bytesMax) return;
    throw new YardError('input.too_large', `the body is over ${formatBytes(bytesMax)}`);
  }
}

const NAME_LENGTH_MAX = 1024;

/** The name of an artifact: a relative path that stays where it begins. */
export function artifactNameOf(text: string): string {
  const segments = text.split('/');
  const isName =
    text.length <= NAME_LENGTH_MAX &&
    !text.includes('\0') &&
    segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  if (isName) return text;
  throw new YardError('ref.invalid', 'an artifact is named by a relative path without ".."');
}

/** Others' bytes are shown as they are and can do nothing in a browser (secops.md S31). */
export const SAFE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "sandbox; default-src 'none'",
  'cache-control': 'no-store',
};

/** Sends a body whose length is known; HEAD gets the headers alone. */
export function sendBytes({ request, reply }: Call, body: Readable, bytes: number): FastifyReply {
  void reply.header('content-length', bytes);
  if (request.method !== 'HEAD') return reply.send(body);
  body.destroy();
  return reply.send();
}
