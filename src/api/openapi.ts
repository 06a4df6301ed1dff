import { z } from 'zod';
import { STREAMS } from '../protocol/outputs.ts';
import { VERSION } from '../protocol/version.ts';
import type { Route } from './route.ts';

const ERROR = {
  type: 'object',
  required: ['error'],
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

const PARAMETERS: Record<string, object> = {
  attempt: { type: 'integer', minimum: 1 },
  stream: { enum: STREAMS },
};

/** The OpenAPI 3.1 document, made from the same schemas that the routes parse with. */
export function openApiOf(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([a-zA-Z]+)/g, '{$1}').replace('*', '{name}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operationOf(route, path);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Runyard', version: VERSION },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: ERROR },
    },
    paths,
  };
}

function operationOf(route: Route, path: string): object {
  const { method, summary, scope, status = 200 } = route;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const words = path.split(/[^a-zA-Z]+/).filter((word) => word !== '');
  const operation: Record<string, unknown> = {
    operationId: [method.toLowerCase(), ...words].join('_'),
    summary,
    parameters: [
      ...names.map((name) => ({
        name,
        in: 'path',
        required: true,
        schema: PARAMETERS[name] ?? { type: 'string' },
      })),
      ...queryParameters(route.query),
    ],
    responses: {
      [status]: { description: 'Done.', ...answerOf(route) },
      default: {
        description: 'An error.',
        ...contentOf('application/json', { $ref: '#/components/schemas/Error' }),
      },
    },
  };
  if (route.body) {
    operation['requestBody'] = contentOf('application/json', schemaOf(route.body, 'input'));
  } else if (route.bytesMax !== undefined) {
    operation['requestBody'] = contentOf('application/octet-stream', {});
  }
  if (scope !== 'none') {
    operation['security'] = [{ token: [] }];
    operation['description'] = `Needs ${scope}.`;
  }
  return operation;
}

function answerOf({ answer, status }: Route): object {
  if (status === 204) return {};
  if (typeof answer === 'string') return contentOf(answer, {});
  return contentOf('application/json', answer ? schemaOf(answer, 'output') : {});
}

function contentOf(type: string, schema: object): { content: object } {
  return { content: { [type]: { schema } } };
}

function schemaOf(type: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
  return schema;
}

function queryParameters(query: z.ZodType | undefined): object[] {
  if (!query) return [];
  const { properties = {}, required = [] } = schemaOf(query, 'input') as {
    properties?: Record<string, object>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}
