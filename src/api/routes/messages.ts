import { z } from 'zod';
import { messageOutcome } from '../../protocol/http.ts';
import type { Route } from '../route.ts';

export const messages: Route[] = [
  {
    method: 'POST',
    path: '/api/messages',
    scope: 'trigger',
    summary: 'Takes one raw message through triggers and rules.',
    body: z.looseObject({}),
    answer: messageOutcome,
    handle: ({ request, service, by }) => service.takeMessage(request.body, by),
  },
];
