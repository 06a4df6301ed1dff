import { afterAll, beforeAll, expect, test } from 'vitest';
import { runRequest } from '../protocol/run.ts';
import { startApi } from './api-fixture.ts';
import type { ApiFixture } from './api-fixture.ts';
import { ROUTES } from './routes.ts';

interface Operation {
  operationId: string;
  summary: string;
  parameters: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

let api: ApiFixture;
let document: Document;
beforeAll(async () => {
  api = await startApi();
  document = JSON.parse((await api.ask('/api/openapi.json')).text) as Document;
});
afterAll(() => api.stop());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('every route that is served is described, and nothing else', () => {
  const served = ROUTES.map(({ method, path }) => {
    const template = path.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{name}');
    return `${method.toLowerCase()} ${template}`;
  });
  const described = operations().map(({ method, path }) => `${method} ${path}`);
  expect(described.toSorted()).toEqual(served.toSorted());
});

test('it is OpenAPI 3.1: ids are unique, each path parameter is declared, every answer described', () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(document.info).toEqual({ title: 'Runyard', version: expect.any(String) as string });
  const ids = operations().map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, operation } of operations()) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(declared.map(({ name }) => name)).toEqual(inPath);
    expect(declared.every(({ required }) => required)).toBe(true);
    expect(operation.summary).toMatch(/\.$/);
    expect(Object.keys(operation.responses)).toContain('default');
    expect(Object.keys(operation.responses).some((status) => /^20[014]$/.test(status))).toBe(true);
    for (const answer of Object.values(operation.responses))
      expect(answer.description).not.toBe('');
  }
});

test('every reference leads somewhere', () => {
  const targets = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to!);
  expect(targets.length).toBeGreaterThan(0);
  for (const target of new Set(targets)) {
    expect(target).toMatch(/^#\/components\/schemas\/\w+$/);
    expect(document.components.schemas).toHaveProperty(target.split('/').at(-1)!);
  }
});

test('the body of a submit is described field by field', () => {
  const { schema } =
    document.paths['/api/runs']!['post']!.requestBody!.content['application/json']!;
  const [one] = schema['anyOf'] as { properties: object; additionalProperties: boolean }[];
  expect(Object.keys(one!.properties)).toEqual(Object.keys(runRequest.shape));
  expect(one!.additionalProperties).toBe(false);
});

test('uploads are described as bytes, and what an upload must say as required', () => {
  const upload = document.paths['/api/attempts/{runId}/{attempt}/outputs/{stream}']!['put']!;
  expect(Object.keys(upload.requestBody!.content)).toEqual(['application/octet-stream']);
  expect(upload.parameters.find(({ name }) => name === 'offset')).toMatchObject({
    in: 'query',
    required: true,
  });
});
