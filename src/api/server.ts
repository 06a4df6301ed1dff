/** HTTP for people, programs and slaves: routes parse, ask the service, present; nothing else. */
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import Fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { YardError, httpStatusOf, isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { MasterService } from '../protocol/service.ts';
import { makeGate } from './gate.ts';
import { faultOf } from './input.ts';
import { openApiOf } from './openapi.ts';
import { ROUTES } from './routes.ts';
import { attachWatch } from './watch.ts';

export interface ApiOptions {
  service: MasterService;
  log: Log;
  clock: Clock;
  tls?: { cert: string; key: string };
}

export interface Api {
  readonly server: Server;
  listen: (host: string, port: number) => Promise<{ url: string }>;
  close: () => Promise<void>;
}

const BODY_BYTES_MAX = 32 * 2 ** 20;

export function makeApi({ service, log, clock, tls }: ApiOptions): Api {
  let server: Server | undefined;
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 2000 },
    forceCloseConnections: true,
    serverFactory(handler: RequestListener) {
      server = tls ? (createTlsServer(tls, handler) as unknown as Server) : createServer(handler);
      return server;
    },
  });
  const gate = makeGate(service, clock);
  readBodies(app);
  answerErrors(app, log);
  for (const route of ROUTES) {
    app.route({
      method: route.method === 'GET' ? ['GET', 'HEAD'] : route.method,
      url: route.path,
      exposeHeadRoute: false,
      ...(route.bytesMax === undefined ? {} : { bodyLimit: route.bytesMax }),
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        checkPath(request.raw);
        const by = await gate.admit(request.raw, route.scope);
        const gone = new AbortController();
        reply.raw.once('close', () => gone.abort());
        return route.handle({ request, reply, service, by, signal: gone.signal });
      },
    });
  }
  const document = openApiOf(ROUTES);
  app.get('/api/openapi.json', async () => document);
  const watch = attachWatch(server!, { service, gate, clock, log });

  return {
    server: server!,
    async listen(host, port) {
      try {
        await app.listen({ host, port });
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== 'EADDRINUSE') throw error;
        throw new YardError('config.port', `${host}:${port} is in use`, {
          hint: 'is a master running there? choose another --port',
          cause: error,
        });
      }
      const address = server!.address() as { port: number };
      const name = host.includes(':') ? `[${host}]` : host;
      return { url: `${tls ? 'https' : 'http'}://${name}:${address.port}` };
    },
    async close() {
      watch.close();
      await app.close();
    },
  };
}

/** JSON is parsed by us, so that errors say where; bytes stay a stream. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', (_, payload, done) => done(null, payload));
  app.addContentTypeParser('*', { parseAs: 'string' }, (_, text, done) => {
    if (text === '') return done(null, undefined);
    try {
      done(null, JSON.parse(text as string));
    } catch (cause) {
      const why = (cause as Error).message;
      done(new YardError('input.json', why, { hint: 'send one JSON value', cause }));
    }
  });
}

function answerErrors(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((request, reply) => {
    const error = new YardError('route.unknown', `${request.method} ${request.url.slice(0, 100)}`, {
      hint: 'see /api/openapi.json',
    });
    return reply.code(404).send({ error });
  });
  app.setErrorHandler((thrown: Error & { code?: string; statusCode?: number }, _, reply) => {
    const error = asYardError(thrown, log);
    return reply.code(httpStatusOf(error.code)).send({ error });
  });
}

function asYardError(thrown: Error & { code?: string; statusCode?: number }, log: Log): YardError {
  if (isYardError(thrown)) return thrown;
  if (thrown instanceof z.ZodError) return faultOf(thrown);
  if (thrown.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new YardError('input.too_large', 'the body is over the limit');
  }
  if (thrown.statusCode !== undefined && thrown.statusCode < 500) {
    return new YardError('input.request', thrown.message);
  }
  log.error({ err: thrown.stack }, 'internal.handler: a route threw');
  return new YardError('internal.handler', 'this is a fault of ours; it was logged');
}

/** Names of things never hold these, so whoever sends them is after files. */
function checkPath(request: IncomingMessage): void {
  const path = request.url?.split('?')[0] ?? '';
  if (/%2f|%5c|%00|\/\.\.(\/|$)|%2e%2e/i.test(path) && !path.includes('/artifacts/')) {
    throw new YardError('ref.invalid', 'the path holds what no name of ours does');
  }
}
