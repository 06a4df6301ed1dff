import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { YardError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { MasterService } from '../protocol/service.ts';
import { BUNDLE_ID, outputOf, startApiForTest } from './api-fixture.ts';
import type { ApiFixture } from './api-fixture.ts';

const PATH = '/runs/r1/outputs/stdout';

/** Ten bytes, of which ranges are given out. */
const openOutput: MasterService['openOutput'] = async (_id, _stream, { range }) => {
  const size = 10;
  const first = range?.from ?? 0;
  const from = first < 0 ? Math.max(0, size + first) : first;
  const to = Math.min(range?.to ?? size, size);
  if (from >= to) throw new YardError('output.range', `bytes from ${from} of ${size}`);
  return { ...outputOf('0123456789'.slice(from, to)), size, from, to };
};

test.each([
  ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
  ['bytes=8-', 206, '89', 'bytes 8-9/10'],
  ['bytes=-3', 206, '789', 'bytes 7-9/10'],
  ['bytes=0-99999999999999999999999', 206, '0123456789', 'bytes 0-9/10'],
  ['bytes=-99999999999999999999999', 206, '0123456789', 'bytes 0-9/10'],
  ['bytes=10-', 416, undefined, undefined],
  ['bytes=99999999999999999999999-', 416, undefined, undefined],
  ['bytes=5-2', 416, undefined, undefined],
  ['bytes=-0', 416, undefined, undefined],
  ['bytes=-', 200, '0123456789', undefined],
  ['bytes=1-2,4-5', 200, '0123456789', undefined],
  ['lines=1-2', 200, '0123456789', undefined],
])('range %s is answered with %i', async (range, status, text, contentRange) => {
  const api = await startApiForTest({ service: { openOutput } });
  const answer = await api.ask(PATH, { headers: { range } });
  expect(answer.status).toBe(status);
  if (text !== undefined) expect(answer.text).toBe(text);
  else expect(answer.code).toBe('output.range');
  expect(answer.headers['content-range']).toBe(contentRange);
});

test('an output is shown as text that can do nothing in a browser', async () => {
  const api = await startApiForTest();
  expect((await api.ask(PATH)).headers).toMatchObject({
    'content-type': 'text/plain; charset=utf-8',
    'content-length': '10',
    'content-disposition': 'inline',
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'x-runyard-complete': 'true',
  });
});

test('HEAD has the headers of GET, no body, and leaves nothing open', async () => {
  const body = Readable.from(['0123456789']);
  const api = await startApiForTest({
    service: { openOutput: async () => ({ ...outputOf('0123456789'), body }) },
  });
  const answer = await api.ask(`${PATH}?follow=1`, { method: 'HEAD' });
  expect([answer.status, answer.headers['content-length'], answer.text]).toEqual([200, '10', '']);
  expect(body.destroyed).toBe(true);
});

test('an artifact is a download, under its own name, that can do nothing in a browser', async () => {
  const api = await startApiForTest();
  const { headers } = await api.ask("/runs/r1/artifacts/logs/it's%20%C3%A9.html");
  expect(headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-length': '8',
    'content-disposition': "attachment; filename*=UTF-8''it%27s%20%C3%A9.html",
    'content-security-policy': "sandbox; default-src 'none'",
  });
});

test('HEAD of an artifact reads none of it', async () => {
  const body = new PassThrough();
  const api = await startApiForTest({
    service: { openArtifact: async () => ({ body, bytes: 2 ** 30 }) },
  });
  const answer = await api.ask('/runs/r1/artifacts/big', { method: 'HEAD' });
  expect(answer.headers['content-length']).toBe(String(2 ** 30));
  expect(body.destroyed).toBe(true);
});

/** An output that is still being written, and the signal that its reader left. */
function growing() {
  const body = new PassThrough();
  let signal: AbortSignal | undefined;
  const open: MasterService['openOutput'] = async (_id, _stream, options, given) => {
    expect(options.follow).toBe(true);
    signal = given;
    return { body, size: 0, complete: false, from: 0, to: Infinity };
  };
  return { body, open, signal: () => signal! };
}

async function follow({ port }: ApiFixture): Promise<IncomingMessage> {
  const asking = request({ host: '127.0.0.1', port, path: `${PATH}?follow=1` });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return response;
}

test('a follower of a silent run hears at once that it follows, then each write as it comes', async () => {
  const output = growing();
  const api = await startApiForTest({ service: { openOutput: output.open } });
  const response = await follow(api);
  expect(response.headers).toMatchObject({
    'transfer-encoding': 'chunked',
    'x-runyard-complete': 'false',
  });
  for (const text of ['first', 'second']) {
    output.body.write(text);
    expect(String((await once(response, 'data'))[0])).toBe(text);
  }
  output.body.end();
  await once(response, 'end');
});

test('a follower who leaves ends the reading', async () => {
  const output = growing();
  const api = await startApiForTest({ service: { openOutput: output.open } });
  const response = await follow(api);
  const left = once(output.signal(), 'abort');
  response.destroy();
  await left;
  expect(output.signal().aborted).toBe(true);
});

test('an output that fails in the middle is cut, so that it cannot pass for complete', async () => {
  const output = growing();
  const api = await startApiForTest({ service: { openOutput: output.open } });
  const response = await follow(api);
  output.body.write('some');
  await once(response, 'data');
  output.body.destroy(new Error('disk'));
  const [error] = (await once(response, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  expect((await api.ask('/livez')).status).toBe(200);
});

const upload = (path: string, body: string | Buffer, type = 'application/octet-stream') => ({
  path,
  given: { method: 'PUT', body, headers: { 'content-type': type } },
});
const CHUNK = '/api/attempts/r1/1/outputs/stdout?offset=0';

test.each([
  [CHUNK, 2 ** 20, 200, undefined],
  [CHUNK, 2 ** 20 + 1, 413, 'input.too_large'],
  ['/api/attempts/r1/1/outputs/stdout', 1, 400, 'input.invalid'],
  ['/api/attempts/r1/1/outputs/stdout?offset=-1', 1, 400, 'input.invalid'],
  ['/api/attempts/r1/0/outputs/stdout?offset=0', 1, 400, 'ref.invalid'],
  ['/api/attempts/r1/1/outputs/nosuch?offset=0', 1, 400, 'ref.invalid'],
  ['/api/attempts/r1/1/artifacts/a?sha256=12', 1, 400, 'input.invalid'],
  [`/api/attempts/r1/1/artifacts/..%2fa?sha256=${'b'.repeat(64)}`, 1, 400, 'ref.invalid'],
  ['/api/bundles/nosuch', 1, 400, 'bundle.ref'],
])('an upload to %s of %i bytes is answered with %i', async (path, bytes, status, code) => {
  const api = await startApiForTest();
  const answer = await api.ask(path, upload(path, Buffer.alloc(bytes)).given);
  expect([answer.status, answer.code]).toEqual([status, code]);
});

test('an upload may call its bytes what it likes, or be empty', async () => {
  const api = await startApiForTest();
  const typed = upload(CHUNK, 'x=1', 'application/x-www-form-urlencoded');
  expect((await api.ask(CHUNK, typed.given)).text).toBe('{"size":3}');
  expect((await api.ask(CHUNK, { method: 'PUT' })).text).toBe('{"size":0}');
});

test('a body without a length that grows past its limit is refused, with an answer', async () => {
  const api = await startApiForTest();
  const chunk = `100000\r\n${'x'.repeat(2 ** 20)}\r\n`;
  const text = await api.speak(
    `PUT ${CHUNK} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n` +
      `transfer-encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 413 .*"input\.too_large"/s);
  expect(api.asked).toEqual([]);
});

test('a master that refuses an upload half-way is heard, and the connection serves on', async () => {
  const putBundle: MasterService['putBundle'] = async (_id, body) => {
    for await (const _chunk of body) throw new YardError('store.full', 'no room is left');
    throw new Error('no bytes came');
  };
  const api = await startApiForTest({ service: { putBundle } });
  const path = `/api/bundles/${BUNDLE_ID}`;
  const refused = await api.ask(path, upload(path, Buffer.alloc(8 * 2 ** 20)).given);
  expect([refused.status, refused.code]).toEqual([503, 'store.full']);
  const length = 3 * 2 ** 20;
  const two = await api.speak(
    `PUT ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${length}\r\n\r\n` +
      `${'x'.repeat(length)}GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`,
  );
  expect(two).toMatch(/503 .*store\.full.*HTTP\/1\.1 200 OK.*"ok":true/s);
});

test('an upload that is cut is no whole one to the master, and no fault of ours', async () => {
  const error = vi.fn();
  const outcomes: string[] = [];
  let heard = () => {};
  const told = new Promise<void>((resolve) => (heard = resolve));
  const putBundle: MasterService['putBundle'] = async (id, body) => {
    try {
      let bytes = 0;
      for await (const chunk of body) bytes += chunk.length;
      outcomes.push('whole');
      return { id, bytes };
    } catch (thrown) {
      outcomes.push((thrown as YardError).code);
      throw thrown;
    } finally {
      heard();
    }
  };
  const api = await startApiForTest({ service: { putBundle }, log: { ...silentLog, error } });
  const sending = request({
    host: '127.0.0.1',
    port: api.port,
    method: 'PUT',
    path: `/api/bundles/${BUNDLE_ID}`,
    headers: { 'content-length': 100 },
  });
  sending.on('error', () => {});
  sending.write('some');
  await once(sending, 'socket');
  await new Promise<void>((resolve) => sending.write('more', () => resolve()));
  sending.destroy();
  await told;
  expect(outcomes).toEqual(['net.cut']);
  await api.ask('/livez');
  expect(error).not.toHaveBeenCalled();
});

test('a bundle of 64 MiB goes up and comes down as it was', async () => {
  const digest = createHash('sha256');
  const part = Buffer.alloc(2 ** 20, 'bundle');
  const openBundle = async () => ({
    body: Readable.from(Array.from({ length: 64 }, () => part)),
    bytes: 64 * 2 ** 20,
  });
  const putBundle: MasterService['putBundle'] = async (id, body) => {
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      digest.update(chunk);
    }
    return { id, bytes };
  };
  const api = await startApiForTest({ service: { openBundle, putBundle } });
  const client = api.client();
  const answer = await client.putBundle(BUNDLE_ID, client.openBundle(BUNDLE_ID));
  expect(answer.bytes).toBe(64 * 2 ** 20);
  const expected = createHash('sha256');
  for (let i = 0; i < 64; i++) expected.update(part);
  expect(digest.digest('hex')).toBe(expected.digest('hex'));
});
