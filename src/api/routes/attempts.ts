/** What slaves upload: the bytes that their attempts wrote and kept. */
import { z } from 'zod';
import { outputStream } from '../../protocol/http.ts';
import { runId } from '../../protocol/run.ts';
import type { Call, Route } from '../route.ts';
import { artifactNameOf, bytesOf, paramsOf, queryOf } from '../route.ts';

const CHUNK_BYTES_MAX = 2 ** 20;
const ARTIFACT_BYTES_MAX = 2 ** 30;

const attemptParam = z.object({ runId, attempt: z.coerce.number().int().positive() });
const outputParam = attemptParam.extend({ stream: outputStream });
const artifactParam = attemptParam.extend({ name: z.string() });
const offsetQuery = z.object({ offset: z.coerce.number().int().min(0) });
const digestQuery = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits'),
});

/** Proves that the attempt was granted to who asks; the service compares it. */
function attemptToken({ request }: Call): string {
  const token = request.headers['x-runyard-attempt-token'];
  return typeof token === 'string' ? token : '';
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

export const attempts: Route[] = [
  {
    method: 'PUT',
    path: '/api/attempts/:runId/:attempt/outputs/:stream',
    scope: 'slave',
    summary: 'Adds bytes to an output; those that are there already are no error.',
    query: offsetQuery,
    bytesMax: CHUNK_BYTES_MAX,
    answer: z.object({ size: z.int() }),
    async handle(call) {
      const at = paramsOf(call, outputParam);
      const { offset } = queryOf(call, offsetQuery);
      const bytes = await gather(bytesOf(call, CHUNK_BYTES_MAX));
      return call.service.appendOutput(
        { ...at, offset, token: attemptToken(call) },
        bytes,
        call.by,
      );
    },
  },
  {
    method: 'PUT',
    path: '/api/attempts/:runId/:attempt/artifacts/:name',
    scope: 'slave',
    summary: 'Keeps a file of an attempt; its name is one URL-encoded segment.',
    query: digestQuery,
    bytesMax: ARTIFACT_BYTES_MAX,
    status: 204,
    async handle(call) {
      const { name, ...at } = paramsOf(call, artifactParam);
      const { sha256 } = queryOf(call, digestQuery);
      const artifact = { ...at, name: artifactNameOf(name), token: attemptToken(call), sha256 };
      await call.service.putArtifact(artifact, bytesOf(call, ARTIFACT_BYTES_MAX), call.by);
    },
  },
];
