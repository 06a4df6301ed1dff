/** What those who watch over the master ask. */
import { version as node } from 'node:process';
import { z } from 'zod';
import { PROTOCOL, VERSION } from '../../protocol/version.ts';
import type { Route } from '../route.ts';

const WELCOME = `runyard ${VERSION}

/api/runs            runs, newest first
/api/slaves          slaves
/api/openapi.json    every route
/api/watch           events as they happen (WebSocket)
/metrics /livez /readyz /version
`;

export const health: Route[] = [
  {
    method: 'GET',
    path: '/metrics',
    scope: 'read',
    summary: 'Figures for Prometheus.',
    answer: 'text/plain',
    handle({ reply, service }) {
      void reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      return service.metrics();
    },
  },
  {
    method: 'GET',
    path: '/api/backup',
    scope: 'admin',
    summary: 'One snapshot of the store, as "runyard backup" takes it.',
    answer: 'application/octet-stream',
    handle({ request, reply, service }) {
      void reply.header('content-type', 'application/octet-stream');
      return request.method === 'HEAD' ? reply.send() : reply.send(service.openBackup());
    },
  },
  {
    method: 'GET',
    path: '/livez',
    scope: 'none',
    summary: 'Whether the process answers.',
    answer: z.object({ ok: z.boolean() }),
    handle: () => ({ ok: true }),
  },
  {
    method: 'GET',
    path: '/readyz',
    scope: 'none',
    summary: 'Whether it can do its work, check by check; 503 if not.',
    answer: z.object({ ready: z.boolean(), checks: z.record(z.string(), z.string()) }),
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
    answer: z.object({ version: z.string(), protocol: z.string(), node: z.string() }),
    handle: () => ({ version: VERSION, protocol: PROTOCOL, node }),
  },
  {
    method: 'GET',
    path: '/',
    scope: 'none',
    summary: 'Where to look.',
    answer: 'text/plain',
    handle({ reply }) {
      void reply.header('content-type', 'text/plain; charset=utf-8');
      return WELCOME;
    },
  },
];
