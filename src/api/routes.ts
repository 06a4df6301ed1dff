/** Every route, in one table: what it is, who may ask, what it takes, what it answers. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Readable } from 'node:stream';
import { YardError } from '../base/errors.ts';
import {
  abortBody,
  drainBody,
  enrolBody,
  holdBody,
  jobBody,
  outputStream,
  runQuery,
  submitBody,
  tokenBody,
} from '../protocol/http.ts';
import { runRequest } from '../protocol/run.ts';
import type { MasterService, OutputRange, Principal } from '../protocol/service.ts';
import { PROTOCOL, VERSION } from '../protocol/version.ts';
import type { Needed } from './gate.ts';

export interface Call {
  request: FastifyRequest;
  reply: FastifyReply;
  service: MasterService;
  by: Principal;
  /** Aborts when the asker is gone. */
  signal: AbortSignal;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  scope: Needed;
  summary: string;
  body?: z.ZodType;
  query?: z.ZodType;
  /** Of the body, where it is not the usual. */
  bytesMax?: number;
  handle: (call: Call) => unknown;
}

const idParam = z.object({ id: z.string().max(64) });
const nameParam = z.object({ name: z.string().max(64) });
const attemptParam = z.object({
  runId: z.string().max(64),
  attempt: z.coerce.number().int().positive(),
});
const waitQuery = z.object({ ms: z.coerce.number().int().min(0).max(600_000).default(30_000) });
const outputQuery = z.object({
  follow: z.enum(['0', '1', 'true', 'false']).default('0'),
  attempt: z.coerce.number().int().positive().optional(),
  token: z.string().optional(),
});
const offsetQuery = z.object({ offset: z.coerce.number().int().min(0) });
const artifactQuery = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Bytes of others are shown as text and can do nothing in a browser (secops.md S31). */
const SAFE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "sandbox; default-src 'none'",
  'cache-control': 'no-store',
};

const runs: Route[] = [
  {
    method: 'POST',
    path: '/api/runs',
    scope: 'submit',
    summary: 'Submits a run, or an array of them in one commit.',
    body: submitBody,
    async handle({ request, reply, service, by }) {
      // Each is parsed by its own schema: a union's error would say less.
      const { body } = request;
      const requests = Array.isArray(body)
        ? z.array(runRequest).min(1).max(5000).parse(body)
        : [runRequest.parse(body ?? {})];
      const submitted = await service.submit(requests, by);
      void reply.code(submitted.some(({ created }) => created) ? 201 : 200);
      return Array.isArray(body) ? submitted : submitted[0];
    },
  },
  {
    method: 'GET',
    path: '/api/runs',
    scope: 'read',
    summary: 'Lists runs, newest first; qualifiers are ANDed.',
    query: runQuery,
    handle: ({ request, service }) => service.listRuns(runQuery.parse(request.query)),
  },
  {
    method: 'GET',
    path: '/api/runs/:id',
    scope: 'read',
    summary: 'The status of a run.',
    handle: ({ request, service }) => service.getRun(idParam.parse(request.params).id),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/request',
    scope: 'read',
    summary: 'What was asked for; values of the environment are left out.',
    async handle({ request, service }) {
      const asked = await service.getRequest(idParam.parse(request.params).id);
      const env = Object.fromEntries(Object.keys(asked.env).map((name) => [name, '•••']));
      return { ...asked, env };
    },
  },
  {
    method: 'GET',
    path: '/api/runs/:id/history',
    scope: 'read',
    summary: 'Every event of a run, in order.',
    handle: ({ request, service }) => service.history(idParam.parse(request.params).id),
  },
  {
    method: 'GET',
    path: '/api/runs/:id/wait',
    scope: 'read',
    summary: 'The status when it is done, or as it is after `ms`.',
    query: waitQuery,
    handle({ request, service, signal }) {
      const { ms } = waitQuery.parse(request.query);
      return service.waitRun(idParam.parse(request.params).id, ms, signal);
    },
  },
  {
    method: 'POST',
    path: '/api/runs/:id/abort',
    scope: 'abort',
    summary: 'Aborts a run; answers with its final status, whatever it is.',
    body: abortBody,
    handle({ request, service, by }) {
      const { why } = abortBody.parse(request.body ?? {});
      return service.abortRun(idParam.parse(request.params).id, by, why);
    },
  },
  {
    method: 'POST',
    path: '/api/runs/:id/hold',
    scope: 'operate',
    summary: 'Keeps a waiting run from being started.',
    body: holdBody,
    handle({ request, service, by }) {
      const { note } = holdBody.parse(request.body ?? {});
      return service.holdRun(idParam.parse(request.params).id, by, note);
    },
  },
  {
    method: 'POST',
    path: '/api/runs/:id/release',
    scope: 'operate',
    summary: 'Lets a held run go.',
    handle: ({ request, service, by }) => service.releaseRun(idParam.parse(request.params).id, by),
  },
  {
    method: 'POST',
    path: '/api/runs/:id/rerun',
    scope: 'submit',
    summary: 'Submits the same request again.',
    async handle({ request, reply, service, by }) {
      void reply.code(201);
      return service.rerun(idParam.parse(request.params).id, by);
    },
  },
  {
    method: 'GET',
    path: '/api/runs/:id/why',
    scope: 'read',
    summary: 'Why a run is pending, and what would start it.',
    handle: ({ request, service }) => service.why(idParam.parse(request.params).id),
  },
];

const jobs: Route[] = [
  {
    method: 'POST',
    path: '/api/jobs',
    scope: 'submit',
    summary: 'Submits runs together; `after` may name runs of the job.',
    body: jobBody,
    async handle({ request, reply, service, by }) {
      const job = jobBody.parse(request.body ?? {});
      const parsed = z.object({ runs: z.array(runRequest) }).parse({ runs: job.runs });
      void reply.code(201);
      return service.submitJob({ ...job, ...parsed }, by);
    },
  },
  {
    method: 'GET',
    path: '/api/jobs/:id',
    scope: 'read',
    summary: 'How far a job is.',
    handle: ({ request, service }) => service.getJob(idParam.parse(request.params).id),
  },
  {
    method: 'POST',
    path: '/api/jobs/:id/abort',
    scope: 'abort',
    summary: 'Aborts what is left of a job.',
    body: abortBody,
    handle({ request, service, by }) {
      const { why } = abortBody.parse(request.body ?? {});
      return service.abortJob(idParam.parse(request.params).id, by, why);
    },
  },
];

const slaves: Route[] = [
  {
    method: 'GET',
    path: '/api/slaves',
    scope: 'read',
    summary: 'Lists slaves.',
    handle: ({ service }) => service.listSlaves(),
  },
  {
    method: 'GET',
    path: '/api/slaves/:name',
    scope: 'read',
    summary: 'One slave.',
    handle: ({ request, service }) => service.getSlave(nameParam.parse(request.params).name),
  },
  {
    method: 'POST',
    path: '/api/slaves/:name/drain',
    scope: 'operate',
    summary: 'Gives a slave no new work until it is resumed, or for a time.',
    body: drainBody,
    handle({ request, service, by }) {
      const drain = drainBody.parse(request.body ?? {});
      return service.drainSlave(nameParam.parse(request.params).name, by, drain);
    },
  },
  {
    method: 'POST',
    path: '/api/slaves/:name/resume',
    scope: 'operate',
    summary: 'Gives a slave work again.',
    handle: ({ request, service, by }) =>
      service.resumeSlave(nameParam.parse(request.params).name, by),
  },
  {
    method: 'POST',
    path: '/api/slaves/enrol',
    scope: 'enrol',
    summary: 'Trades an enrolment token for a credential, once.',
    body: enrolBody,
    handle: ({ request, service, by }) =>
      service.enrol(enrolBody.parse(request.body ?? {}).name, by),
  },
  {
    method: 'PUT',
    path: '/api/attempts/:runId/:attempt/outputs/:stream',
    scope: 'slave',
    summary: 'Adds bytes to an output; those that are there already are no error.',
    query: offsetQuery,
    bytesMax: 2 ** 20,
    async handle({ request, service, by }) {
      const at = attemptParam.extend({ stream: outputStream }).parse(request.params);
      const { offset } = offsetQuery.parse(request.query);
      const bytes = await readAll(request.body as Readable, 2 ** 20);
      return service.appendOutput({ ...at, offset, token: attemptToken(request) }, bytes, by);
    },
  },
  {
    method: 'PUT',
    path: '/api/attempts/:runId/:attempt/artifacts/:name',
    scope: 'slave',
    summary: 'Keeps a file of an attempt.',
    query: artifactQuery,
    bytesMax: 2 ** 30,
    async handle({ request, reply, service, by }) {
      const at = attemptParam.extend({ name: z.string().min(1) }).parse(request.params);
      const { sha256 } = artifactQuery.parse(request.query);
      const token = attemptToken(request);
      await service.putArtifact({ ...at, token, sha256 }, bodyOf(request), by);
      return reply.code(204).send();
    },
  },
];

const blobs: Route[] = [
  {
    method: 'PUT',
    path: '/api/bundles/:id',
    scope: 'submit',
    summary: 'Uploads a bundle; its id is the digest of its bytes.',
    bytesMax: 4 * 2 ** 30,
    handle: ({ request, service }) => {
      const { id } = z.object({ id: z.string().max(100) }).parse(request.params);
      return service.putBundle(id, bodyOf(request));
    },
  },
  {
    method: 'GET',
    path: '/api/bundles/:id',
    scope: 'read',
    summary: 'Downloads a bundle; HEAD says whether it is here.',
    async handle({ request, reply, service }) {
      const { id } = z.object({ id: z.string().max(100) }).parse(request.params);
      if (request.method === 'HEAD') {
        const { bytes } = await service.statBundle(id);
        return reply.header('content-length', bytes).send();
      }
      const { body, bytes } = await service.openBundle(id);
      return reply
        .header('content-type', 'application/octet-stream')
        .header('content-length', bytes)
        .send(body);
    },
  },
  ...['', '/api'].flatMap((prefix): Route[] => [
    {
      method: 'GET',
      path: `${prefix}/runs/:id/outputs/:stream`,
      scope: 'read',
      summary: 'What a run wrote; `follow=1` goes on until it is complete.',
      query: outputQuery,
      handle: sendOutput,
    },
    {
      method: 'GET',
      path: `${prefix}/runs/:id/artifacts/*`,
      scope: 'read',
      summary: 'A file that a run kept.',
      query: outputQuery,
      async handle({ request, reply, service }) {
        const { id, '*': name } = request.params as { id: string; '*': string };
        const { attempt } = outputQuery.parse(request.query);
        const { body, bytes } = await service.openArtifact(id, name, attempt);
        return reply
          .headers(SAFE_HEADERS)
          .header('content-type', 'application/octet-stream')
          .header('content-length', bytes)
          .send(body);
      },
    },
  ]),
];

const others: Route[] = [
  {
    method: 'POST',
    path: '/api/messages',
    scope: 'trigger',
    summary: 'Takes one raw message through triggers and rules.',
    body: z.looseObject({}),
    handle: ({ request, service, by }) => service.takeMessage(request.body, by),
  },
  {
    method: 'POST',
    path: '/api/tokens',
    scope: 'admin',
    summary: 'Makes a token; it is shown this once.',
    body: tokenBody,
    handle({ request, reply, service, by }) {
      void reply.code(201);
      return service.createToken(tokenBody.parse(request.body ?? {}), by);
    },
  },
  {
    method: 'GET',
    path: '/api/tokens',
    scope: 'admin',
    summary: 'Lists tokens, without their secrets.',
    handle: ({ service }) => service.listTokens(),
  },
  {
    method: 'DELETE',
    path: '/api/tokens/:id',
    scope: 'admin',
    summary: 'Revokes a token.',
    async handle({ request, reply, service, by }) {
      await service.revokeToken(idParam.parse(request.params).id, by);
      return reply.code(204).send();
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    scope: 'read',
    summary: 'Figures for Prometheus.',
    async handle({ reply, service }) {
      void reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      return service.metrics();
    },
  },
  {
    method: 'GET',
    path: '/livez',
    scope: 'none',
    summary: 'Whether the process answers.',
    handle: () => ({ ok: true }),
  },
  {
    method: 'GET',
    path: '/readyz',
    scope: 'none',
    summary: 'Whether it can do its work, check by check.',
    async handle({ reply, service }) {
      const readiness = await service.readiness();
      void reply.code(readiness.ready ? 200 : 503);
      return readiness;
    },
  },
  {
    method: 'GET',
    path: '/version',
    scope: 'none',
    summary: 'What runs here.',
    handle: () => ({ version: VERSION, protocol: PROTOCOL }),
  },
  {
    method: 'GET',
    path: '/',
    scope: 'none',
    summary: 'Where to look.',
    handle({ reply }) {
      void reply.header('content-type', 'text/plain; charset=utf-8');
      return WELCOME;
    },
  },
];

const WELCOME = `runyard ${VERSION}

/api/runs            runs, newest first
/api/slaves          slaves
/api/openapi.json    every route
/api/watch           events as they happen (WebSocket)
/metrics /livez /readyz /version
`;

export const ROUTES: readonly Route[] = [...runs, ...jobs, ...slaves, ...blobs, ...others];

async function sendOutput({ request, reply, service, signal }: Call): Promise<FastifyReply> {
  const params = z.object({ id: z.string(), stream: outputStream }).safeParse(request.params);
  if (!params.success) {
    throw new YardError('output.unknown', 'outputs are stdout, stderr and combined');
  }
  const { id, stream } = params.data;
  const query = outputQuery.parse(request.query);
  const range = rangeOf(request.headers.range);
  const follow = query.follow === '1' || query.follow === 'true';
  const options = { attempt: query.attempt, range, follow: follow && request.method !== 'HEAD' };
  const output = await service.openOutput(id, stream, options, signal);
  void reply
    .headers(SAFE_HEADERS)
    .header('content-type', 'text/plain; charset=utf-8')
    .header('accept-ranges', 'bytes')
    .header('x-runyard-complete', String(output.complete));
  if (Number.isFinite(output.to)) {
    void reply.header('content-length', output.to - output.from);
    if (range) {
      const last = Math.max(output.from, output.to - 1);
      void reply.code(206).header('content-range', `bytes ${output.from}-${last}/${output.size}`);
    }
  }
  if (request.method === 'HEAD') {
    output.body.destroy();
    return reply.send();
  }
  return reply.send(output.body);
}

function rangeOf(header: string | undefined): OutputRange | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header);
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') return { from: -Number(match[2]) };
  const from = Number(match[1]);
  return match[2] === '' ? { from } : { from, to: Number(match[2]) + 1 };
}

function attemptToken(request: FastifyRequest): string {
  const token = request.headers['x-runyard-attempt-token'];
  return typeof token === 'string' ? token : '';
}

function bodyOf(request: FastifyRequest): AsyncIterable<Uint8Array> {
  if (request.body === undefined || request.body === null || typeof request.body !== 'object') {
    throw new YardError('input.body', 'send the bytes as application/octet-stream');
  }
  return request.body as Readable;
}

async function readAll(body: Readable | undefined, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > bytesMax) throw new YardError('input.too_large', `over ${bytesMax} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
}
