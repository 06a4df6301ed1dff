import { afterEach, expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { startApi } from './api-fixture.ts';
import type { ApiFixture, FixtureOptions } from './api-fixture.ts';

const started: ApiFixture[] = [];
async function start(options: FixtureOptions): Promise<ApiFixture> {
  const api = await startApi(options);
  started.push(api);
  return api;
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((api) => api.stop()));
});

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

test('a missing token and a wrong one are told apart', async () => {
  const api = await start({ open: false });
  expect(await api.ask('/api/runs')).toMatchObject({ status: 401, code: 'auth.missing' });
  expect(await api.ask('/api/runs', bearer('wrong'))).toMatchObject({
    status: 401,
    code: 'auth.invalid',
  });
  expect((await api.ask('/api/runs', bearer('read'))).status).toBe(200);
});

test('the eleventh wrong token within a minute is limited, and a minute later not', async () => {
  const clock = manualClock();
  const api = await start({ open: false, clock });
  for (let tries = 0; tries < 10; tries++) {
    expect((await api.ask('/api/runs', bearer(`wrong${tries}`))).code).toBe('auth.invalid');
    clock.advance(1_000);
  }
  expect(await api.ask('/api/runs', bearer('wrong'))).toMatchObject({
    status: 429,
    code: 'auth.limited',
  });
  clock.advance(60_000);
  expect((await api.ask('/api/runs', bearer('wrong'))).code).toBe('auth.invalid');
});

test('a right token gets in however many wrong ones came from the same address', async () => {
  const api = await start({ open: false });
  for (let tries = 0; tries < 12; tries++) await api.ask('/api/runs', bearer('wrong'));
  expect((await api.ask('/api/runs', bearer('read'))).status).toBe(200);
});

test('a token of which the master cannot say anything now is not taken for a wrong one', async () => {
  const authenticate = async () => {
    throw new YardError('store.full', 'no space left on device');
  };
  const api = await start({ open: false, service: { authenticate } });
  for (let tries = 0; tries < 12; tries++) {
    expect((await api.ask('/api/runs', bearer('read'))).code).toBe('store.full');
  }
});

test('asking without a token uses none of the tries up', async () => {
  const api = await start({ open: false });
  for (let tries = 0; tries < 12; tries++) await api.ask('/api/runs');
  expect((await api.ask('/api/runs', bearer('wrong'))).code).toBe('auth.invalid');
});

test('a token in the URL counts for nothing but watching', async () => {
  const api = await start({ open: false });
  expect((await api.ask('/api/runs?token=read')).code).toBe('auth.missing');
});

test('who may not come in has no body read: no byte of 32 MiB is asked for', async () => {
  const api = await start({ open: false });
  const answer = await api.speak(
    'POST /api/runs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n' +
      'content-length: 33000000\r\nconnection: close\r\n\r\n',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 401 .*"auth\.missing"/s);
});

test.each([
  [{ host: 'evil.example' }, 403],
  [{ host: '127.0.0.1.evil.example' }, 403],
  [{ host: 'localhost:7070' }, 201],
  [{ host: '127.0.0.2' }, 201],
  [{ host: '[::1]:7070' }, 201],
  [{ host: '127.0.0.1:7070', origin: 'http://127.0.0.1:7070' }, 201],
  [{ host: '127.0.0.1:7070', origin: 'http://127.0.0.1:8080' }, 403],
  [{ host: '127.0.0.1:7070', origin: 'http://evil.example' }, 403],
  [{ host: '127.0.0.1:7070', origin: 'null' }, 403],
  [{ host: 'yard.example' }, 201],
  [{ host: 'yard.example', origin: 'https://yard.example' }, 201],
])('a master without tokens, asked with %j, answers %i', async (headers, status) => {
  const api = await start({ trustedHosts: ['yard.example'] });
  const body = JSON.stringify({ argv: ['true'] });
  const answer = await api.ask('/api/runs', { method: 'POST', headers, body });
  expect([answer.status, answer.code]).toEqual([
    status,
    status === 403 ? 'auth.origin' : undefined,
  ]);
});

test('a page under a name of its own can read nothing, either', async () => {
  const api = await start({});
  const answer = await api.ask('/runs/r1/outputs/stdout', { headers: { host: 'evil.example' } });
  expect([answer.status, answer.code]).toEqual([403, 'auth.origin']);
});

test('who names no host is not taken for somebody local', async () => {
  const api = await start({});
  expect(await api.speak('GET /api/runs HTTP/1.0\r\n\r\n')).toMatch(/ 403 .*auth\.origin/s);
});

test('with a token the name of the host is free', async () => {
  const api = await start({});
  const headers = { host: 'yard.example', authorization: 'Bearer read' };
  expect((await api.ask('/api/runs', { headers })).status).toBe(200);
});
