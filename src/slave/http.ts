/** The bulk side of the wire: bytes go over HTTP, with offsets, resumable (design.md part 6). */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { YardError } from '../base/errors.ts';
import type { ErrorBody } from '../base/errors.ts';
import type { Assignment } from '../protocol/to-slave.ts';
import { unreachable } from '../protocol/unreachable.ts';
import type { OutputSink } from './ports.ts';
import type { BundleSource } from './workspace/bundle-cache.ts';

export interface MasterHttp extends BundleSource {
  append: (
    assignment: Assignment,
    stream: string,
    offset: number,
    bytes: Uint8Array,
  ) => Promise<void>;
  putArtifact: (
    assignment: Assignment,
    artifact: { name: string; sha256: string; path: string },
    signal: AbortSignal,
  ) => Promise<void>;
  /** Trades an enrolment token for this slave's credential. */
  enrol: (name: string) => Promise<string>;
}

export function makeMasterHttp(master: string, token: () => string | undefined): MasterHttp {
  async function ask(
    path: string,
    init: RequestInit & { duplex?: 'half' } = {},
  ): Promise<Response> {
    const headers = new Headers(init.headers);
    const secret = token();
    if (secret !== undefined) headers.set('authorization', `Bearer ${secret}`);
    let response: Response;
    try {
      response = await fetch(new URL(path, master), { ...init, headers });
    } catch (cause) {
      throw unreachable(master, cause);
    }
    if (response.ok) return response;
    const body = (await response.json().catch(() => ({}))) as { error?: ErrorBody };
    const { code = 'net.answer', message = `status ${response.status}`, hint } = body.error ?? {};
    throw new YardError(code, message, hint === undefined ? {} : { hint });
  }

  function claim({ token: attemptToken }: Assignment): Record<string, string> {
    return {
      'x-runyard-attempt-token': attemptToken,
      'content-type': 'application/octet-stream',
    };
  }

  return {
    async open(id, signal) {
      const response = await ask(`/api/bundles/${id}`, { signal });
      return response.body as AsyncIterable<Uint8Array>;
    },
    async append(assignment, stream, offset, bytes) {
      const { runId, attempt } = assignment;
      await ask(`/api/attempts/${runId}/${attempt}/outputs/${stream}?offset=${offset}`, {
        method: 'PUT',
        headers: claim(assignment),
        body: bytes as Uint8Array<ArrayBuffer>,
      });
    },
    async putArtifact(assignment, { name, sha256, path }, signal) {
      const { runId, attempt } = assignment;
      const at = `/api/attempts/${runId}/${attempt}/artifacts/${encodeURIComponent(name)}`;
      await ask(`${at}?sha256=${sha256}`, {
        method: 'PUT',
        headers: claim(assignment),
        body: Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>,
        duplex: 'half',
        signal,
      });
    },
    async enrol(name) {
      const response = await ask('/api/slaves/enrol', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      });
      return ((await response.json()) as { token: string }).token;
    },
  };
}

/** A sink that knows, per attempt, which assignment its bytes belong to. */
export function sinkOf(
  http: MasterHttp,
  find: (key: string) => Assignment | undefined,
): OutputSink {
  return {
    async append(key, stream, offset, bytes) {
      const assignment = find(key);
      if (!assignment) return;
      try {
        await http.append(assignment, stream, offset, bytes);
      } catch (error) {
        // A newer attempt or a done run: nobody wants these bytes, and the acknowledgement follows.
        const code = error instanceof YardError ? error.code : '';
        if (code === 'run.stale_attempt' || code === 'output.closed') return;
        throw error;
      }
    },
  };
}
