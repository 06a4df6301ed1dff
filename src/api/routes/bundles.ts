import { z } from 'zod';
import { quote, YardError } from '../../base/errors.ts';
import { isFsBundleId } from '../../protocol/bundle-ref.ts';
import type { Call, Route } from '../route.ts';
import { bytesOf, sendBytes } from '../route.ts';

const BUNDLE_BYTES_MAX = 4 * 2 ** 30;

function idOf({ request }: Call): string {
  const { id } = request.params as { id: string };
  if (isFsBundleId(id)) return id;
  throw new YardError('bundle.ref', `${quote(id)} is not a bundle's id`, {
    hint: 'write fs- and 64 hex digits',
  });
}

export const bundles: Route[] = [
  {
    method: 'PUT',
    path: '/api/bundles/:id',
    scope: 'submit',
    summary: 'Uploads a bundle; its id is the digest of its bytes.',
    bytesMax: BUNDLE_BYTES_MAX,
    answer: z.object({ id: z.string(), bytes: z.int() }),
    handle: (call) => call.service.putBundle(idOf(call), bytesOf(call, BUNDLE_BYTES_MAX)),
  },
  {
    method: 'GET',
    path: '/api/bundles/:id',
    scope: 'read',
    summary: 'Downloads a bundle; HEAD says whether it is here.',
    answer: 'application/octet-stream',
    async handle(call) {
      const { request, reply, service } = call;
      const id = idOf(call);
      void reply.header('content-type', 'application/octet-stream');
      if (request.method === 'HEAD') {
        const { bytes } = await service.statBundle(id);
        return reply.header('content-length', bytes).send();
      }
      const { body, bytes } = await service.openBundle(id);
      return sendBytes(call, body, bytes);
    },
  },
];
