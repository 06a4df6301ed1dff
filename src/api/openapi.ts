import { z } from 'zod';
import { jobStatus, slaveStatus, whyAnswer } from '../protocol/http.ts';
import { runStatus } from '../protocol/run.ts';
import { VERSION } from '../protocol/version.ts';
import type { Route } from './routes.ts';

/** What a route answers, where it is one of the shapes that clients rely on. */
const ANSWERS: Record<string, z.ZodType> = {
  'GET /api/runs': z.array(runStatus),
  'GET /api/runs/:id': runStatus,
  'GET /api/runs/:id/wait': runStatus,
  'POST /api/runs/:id/abort': runStatus,
  'GET /api/runs/:id/why': whyAnswer,
  'GET /api/jobs/:id': jobStatus,
  'GET /api/slaves': z.array(slaveStatus),
  'GET /api/slaves/:name': slaveStatus,
};

const ERROR = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        hint: { type: 'string' },
      },
    },
  },
};

/** The OpenAPI 3.1 document, made from the same schemas that the routes parse with. */
export function openApiOf(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([a-zA-Z]+)/g, '{$1}').replace('*', '{path}');
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    (paths[path] ??= {})[route.method.toLowerCase()] = {
      summary: route.summary,
      parameters: [
        ...names.map((name) => ({
          name,
          in: 'path',
          required: true,
          schema: { type: 'string' },
        })),
        ...queryParameters(route.query),
      ],
      ...(route.body ? { requestBody: json(schemaOf(route.body)) } : {}),
      responses: {
        default: { description: 'An error.', ...json(ERROR) },
        200: {
          description: 'Well done.',
          ...json(schemaOf(ANSWERS[`${route.method} ${route.path}`])),
        },
      },
      ...(route.scope === 'none' ? {} : { security: [{ token: [route.scope] }] }),
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Runyard', version: VERSION },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}

function json(schema: object): { content: object } {
  return { content: { 'application/json': { schema } } };
}

function schemaOf(schema: z.ZodType | undefined): object {
  return schema ? z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) : {};
}

function queryParameters(query: z.ZodType | undefined): object[] {
  const { properties = {} } = schemaOf(query) as { properties?: Record<string, object> };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema }));
}
