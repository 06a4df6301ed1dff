import { z } from 'zod';
import { SCOPES, tokenBody } from '../../protocol/http.ts';
import type { Route } from '../route.ts';
import { bodyOf, idParam, paramsOf } from '../route.ts';

const created = z.object({
  id: z.string(),
  token: z.string(),
  expiresAt: z.iso.datetime().optional(),
});
const listed = created.omit({ token: true }).extend({
  kind: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
});

export const tokens: Route[] = [
  {
    method: 'POST',
    path: '/api/tokens',
    scope: 'admin',
    summary: 'Makes a token; it is shown this once.',
    body: tokenBody,
    status: 201,
    answer: created,
    handle: (call) => call.service.createToken(bodyOf(call, tokenBody), call.by),
  },
  {
    method: 'GET',
    path: '/api/tokens',
    scope: 'admin',
    summary: 'Lists tokens, without their secrets.',
    answer: z.array(listed),
    handle: ({ service }) => service.listTokens(),
  },
  {
    method: 'DELETE',
    path: '/api/tokens/:id',
    scope: 'admin',
    summary: 'Revokes a token.',
    status: 204,
    handle: (call) => call.service.revokeToken(paramsOf(call, idParam).id, call.by),
  },
];
