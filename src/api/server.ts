/** HTTP for people, programs and slaves: routes parse, ask the service, present; nothing else. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import Fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { YardError, httpStatusOf, isYardError, messageOf, quote } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { MasterService, Principal } from '../protocol/service.ts';
import { STATELY_UI } from './devtools/stately-page.ts';
import { makeGate } from './gate.ts';
import type { Gate } from './gate.ts';
import { checkQuery, faultOf } from './input.ts';
import { servePage } from './page.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { inspectSocket } from './inspect.ts';
import { attachSockets } from './sockets.ts';
import { watchSocket } from './watch.ts';

export interface ApiOptions {
  service: MasterService;
  log: Log;
  clock: Clock;
  tls?: { cert: string; key: string };
  /** Names besides loopback's by which a master without tokens may be called. */
  trustedHosts?: readonly string[];
  /** Where the Stately Inspector is served, if not by its maker. */
  statelyUi?: string;
  /** Where the page was built; absent: none is served. */
  page?: string;
}

export interface Api {
  /** Others may attach to it before it listens; upgrades but to the watchers' path are theirs. */
  readonly server: Server;
  listen: (host: string, port: number) => Promise<{ url: string }>;
  /** Ends every connection, those of watchers and followers among them. */
  close: () => Promise<void>;
}

const BODY_BYTES_MAX = 32 * 2 ** 20;
/** Longer than clients keep a connection, so that none ends under a request on its way. */
const KEEP_ALIVE_MS = 72_000;
/** A large artifact on a thin line takes its time. */
const REQUEST_MS = 3_600_000;
const PARAM_LENGTH_MAX = 12_000;

export function makeApi(options: ApiOptions): Api {
  const { service, log, clock, tls, trustedHosts = [], statelyUi = STATELY_UI } = options;
  const server = tls ? (createTlsServer(tls) as unknown as Server) : createServer();
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_MS;
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: PARAM_LENGTH_MAX },
    forceCloseConnections: true,
    frameworkErrors: (error, request, reply) =>
      void answer(error, request, reply as FastifyReply, log),
    serverFactory: (handler) => server.on('request', handler),
  });
  const gate = makeGate({ service, clock, trustedHosts });
  answerErrors(app, log);
  if (options.page !== undefined) servePage(app, options.page);
  addRoutes(app, { service, gate, statelyUi });
  const paths = [watchSocket({ service, gate, clock }), inspectSocket({ service, gate })];
  const sockets = attachSockets(server, paths, { clock, log });

  return {
    server,
    async listen(host, port) {
      try {
        await app.listen({ host, port });
      } catch (error) {
        throw listenFault(error, host, port);
      }
      const address = server.address() as { port: number };
      const name = host.includes(':') ? `[${host}]` : host;
      return { url: `${tls ? 'https' : 'http'}://${name}:${address.port}` };
    },
    async close() {
      sockets.close();
      await app.close();
    },
  };
}

const LISTEN_FAULTS: Record<string, [what: string, hint: string]> = {
  EADDRINUSE: [
    'somebody listens there already',
    'is a master running there? choose another --port',
  ],
  EACCES: ['not allowed to listen there', 'choose a --port above 1023'],
  EADDRNOTAVAIL: ['this machine does not have that address', 'see --host'],
  ENOTFOUND: ['this machine does not have that address', 'see --host'],
  EAI_AGAIN: ['this machine does not have that address', 'see --host'],
};

function listenFault(error: unknown, host: string, port: number): unknown {
  const fault = LISTEN_FAULTS[(error as { code?: string }).code ?? ''];
  if (!fault) return error;
  const [what, hint] = fault;
  return new YardError('net.listen', `${quote(host)} port ${port}: ${what}`, {
    hint,
    cause: error,
  });
}

interface Asked {
  service: MasterService;
  gate: Gate;
  statelyUi: string;
}

function addRoutes(app: FastifyInstance, { service, gate, statelyUi }: Asked): void {
  const askers = new WeakMap<FastifyRequest, Principal>();

  function add(scope: FastifyInstance, route: Route): void {
    scope.route({
      method: route.method === 'GET' ? ['GET', 'HEAD'] : route.method,
      url: route.path,
      exposeHeadRoute: false,
      // Before the body is read: strangers are not worth it.
      onRequest: async (request: FastifyRequest) => {
        askers.set(request, await gate.admit(request.raw, route.scope));
        // Probes may add to the open ones what they like.
        if (route.scope === 'none') return;
        const known = Object.keys(route.query?.shape ?? {});
        checkQuery(Object.keys(request.query as object), known);
      },
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        const by = askers.get(request)!;
        const gone = new AbortController();
        reply.raw.once('close', () => gone.abort());
        if (route.status !== undefined) void reply.code(route.status);
        const call = { request, reply, service, by, statelyUi, signal: gone.signal };
        const answered = await route.handle(call);
        return route.status === 204 ? reply.send() : answered;
      },
    });
  }

  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-content-type-options', 'nosniff');
    checkPath(request.raw.url ?? '');
  });
  readJson(app);
  for (const route of ROUTES) if (route.bytesMax === undefined) add(app, route);
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    for (const route of ROUTES) if (route.bytesMax !== undefined) add(scope, route);
  });
}

/** Any content type reads as JSON; errors say where, and nothing reaches a prototype. */
function readJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, text: string, done) => {
    if (text === '') return done(null, undefined);
    void parse(request, text, (error, value) => {
      if (!error) return done(null, value);
      done(new YardError('input.json', whyNotJson(text), { hint: 'send one JSON value' }));
    });
  });
}

function whyNotJson(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return messageOf(error).slice(0, 200);
  }
  return 'no key may be "__proto__" or lead to "constructor.prototype"';
}

function answerErrors(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((request, reply) => {
    const what = `${request.method} ${quote(request.url)}`;
    return answer(
      new YardError('route.unknown', what, { hint: 'see /api/openapi.json' }),
      request,
      reply,
      log,
    );
  });
  app.setErrorHandler((thrown: Thrown, request, reply) => answer(thrown, request, reply, log));
}

interface Thrown extends Error {
  code?: string;
  statusCode?: number;
}

function answer(thrown: Thrown, request: FastifyRequest, reply: FastifyReply, log: Log) {
  const error = asYardError(thrown);
  if (error.code === 'internal.handler') {
    const route = `${request.method} ${request.routeOptions.url ?? ''}`;
    log.error({ route, err: thrown.stack }, 'internal.handler: a route threw');
  }
  // Closed before its sender is done, a connection takes the answer along: the rest is read away.
  if (error.code === 'input.too_large') void reply.removeHeader('connection');
  // For HEAD, whose answer has no body to say it.
  void reply.header('x-runyard-error', error.code).code(httpStatusOf(error.code));
  return reply.type('application/json; charset=utf-8').send({ error });
}

function asYardError(thrown: Thrown): YardError {
  if (isYardError(thrown)) return thrown;
  if (thrown instanceof z.ZodError) return faultOf(thrown);
  if (thrown.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new YardError('input.too_large', 'the body is over 32 MiB');
  }
  if (thrown.code === 'FST_ERR_BAD_URL') {
    return new YardError('ref.invalid', 'the path is not URL-encoded');
  }
  if (thrown.statusCode !== undefined && thrown.statusCode < 500) {
    return new YardError('input.request', thrown.message);
  }
  return new YardError('internal.handler', 'this is a fault of ours; it was logged');
}

/** No name of ours holds these but an artifact's, which is checked apart. */
function checkPath(url: string): void {
  const path = url.split('?')[0]!;
  const isArtifact = path.includes('/artifacts/');
  if (/%00|\/\.\.?(\/|$)/i.test(path) || (!isArtifact && /%2f|%5c|%2e%2e/i.test(path))) {
    throw new YardError('ref.invalid', 'the path holds what no name of ours does');
  }
}
