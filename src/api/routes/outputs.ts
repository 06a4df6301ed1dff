/** What runs wrote and kept, for people and programs. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { YardError } from '../../base/errors.ts';
import { outputStream, outputTimes } from '../../protocol/http.ts';
import type { Stream } from '../../protocol/outputs.ts';
import type { OutputRange } from '../../protocol/service.ts';
import type { Call, Route } from '../route.ts';
import { SAFE_HEADERS, artifactNameOf, idParam, paramsOf, queryOf, sendBytes } from '../route.ts';

const attempt = z.coerce.number().int().positive().optional();
const artifactQuery = z.object({ attempt });
const outputQuery = z.object({ attempt, follow: z.enum(['0', '1', 'true', 'false']).default('0') });

const timesQuery = z.object({ attempt, from: z.coerce.number().int().min(0).optional() });

function streamOf({ request }: Call): Stream {
  const { stream } = request.params as { stream: string };
  const parsed = outputStream.safeParse(stream);
  if (parsed.success) return parsed.data;
  throw new YardError('output.unknown', 'outputs are stdout, stderr and combined');
}

async function sendOutput(call: Call): Promise<FastifyReply> {
  const { request, reply, service, signal } = call;
  const { id } = paramsOf(call, idParam);
  const stream = streamOf(call);
  const query = queryOf(call, outputQuery);
  const follow = (query.follow === '1' || query.follow === 'true') && request.method !== 'HEAD';
  const range = rangeOf(request.headers.range);
  const options = { attempt: query.attempt, range, follow };
  const output = await service.openOutput(id, stream, options, signal);
  void reply
    .headers(SAFE_HEADERS)
    .header('content-type', 'text/plain; charset=utf-8')
    .header('content-disposition', 'inline')
    .header('accept-ranges', 'bytes')
    .header('x-runyard-complete', String(output.complete));
  const { body, from, to, size } = output;
  if (!Number.isFinite(to)) {
    void reply.send(body);
    // Who follows a silent run is to know at once that it is being followed.
    reply.raw.flushHeaders();
    return reply;
  }
  if (range) {
    void reply.code(206).header('content-range', `bytes ${from}-${Math.max(from, to - 1)}/${size}`);
  }
  return sendBytes(call, body, to - from);
}

/** One range of bytes; what is not one is passed over, as RFC 9110 has it. */
function rangeOf(header: string | undefined): OutputRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [first, last] = [match[1]!, match[2]!].map((digits) =>
    Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1),
  ) as [number, number];
  if (match[1] !== '') return match[2] === '' ? { from: first } : { from: first, to: last + 1 };
  if (last === 0) throw new YardError('output.range', 'the last 0 bytes');
  return { from: -last };
}

async function sendArtifact(call: Call): Promise<FastifyReply> {
  const { request, reply, service } = call;
  const { id } = paramsOf(call, idParam);
  const name = artifactNameOf((request.params as { '*': string })['*']);
  const { body, bytes } = await service.openArtifact(
    id,
    name,
    queryOf(call, artifactQuery).attempt,
  );
  const encoded = encodeURIComponent(name.slice(name.lastIndexOf('/') + 1)).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  );
  void reply
    .headers(SAFE_HEADERS)
    .header('content-type', 'application/octet-stream')
    .header('content-disposition', `attachment; filename*=UTF-8''${encoded}`);
  return sendBytes(call, body, bytes);
}

const times: Route = {
  method: 'GET',
  path: '/api/runs/:id/outputs/:stream/times',
  scope: 'read',
  summary: 'When each part of it was written, by the clock of the master.',
  query: timesQuery,
  answer: outputTimes,
  handle(call) {
    const { id } = paramsOf(call, idParam);
    return call.service.outputTimes(id, streamOf(call), queryOf(call, timesQuery));
  },
};

/** Statuses refer to outputs by the shorter path. */
const bytes = ['', '/api'].flatMap((prefix): Route[] => [
  {
    method: 'GET',
    path: `${prefix}/runs/:id/outputs/:stream`,
    scope: 'read',
    summary: 'What a run wrote; `follow=1` goes on until it is complete.',
    query: outputQuery,
    answer: 'text/plain',
    handle: sendOutput,
  },
  {
    method: 'GET',
    path: `${prefix}/runs/:id/artifacts/*`,
    scope: 'read',
    summary: 'A file that a run kept.',
    query: artifactQuery,
    answer: 'application/octet-stream',
    handle: sendArtifact,
  },
]);

export const outputs: Route[] = [...bytes, times];
