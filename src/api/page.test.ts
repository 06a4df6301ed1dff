import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { servePage } from './page.ts';

const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

/** A server with one route of its own and a page of two files. */
function serve({ isBuilt = true } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-page-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'index.html'), '<title>the page</title>');
  writeFileSync(join(directory, '.built'), '');
  if (isBuilt) {
    mkdirSync(join(directory, 'assets'));
    writeFileSync(join(directory, 'assets', 'main-1.js'), 'run()');
    writeFileSync(join(directory, 'assets', 'secret.key'), 'x');
  }
  const app = Fastify();
  servePage(app, directory);
  app.get('/', () => 'for programs');
  app.get('/runs/:id/outputs/:stream', () => 'an output');
  return {
    get: (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers }),
    head: (url: string, headers: Record<string, string> = {}) =>
      app.inject({ method: 'HEAD', url, headers }),
  };
}

test('a browser gets the page at every address of it, under a strict policy', async () => {
  const { get } = serve();
  for (const url of ['/', '/runs', '/runs/1/machine?at=5', '/slaves/s1', '/import']) {
    const answer = await get(url, BROWSER);
    expect(answer.statusCode, url).toBe(200);
    expect(answer.body).toContain('the page');
    const policy = String(answer.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
  }
});

test('a program gets what it got before, and an output is an output to both', async () => {
  const { get } = serve();
  expect((await get('/')).body).toBe('for programs');
  expect((await get('/runs')).statusCode).toBe(404);
  expect((await get('/runs/1/outputs/stdout', BROWSER)).body).toBe('an output');
  expect((await get('/api/unknown', BROWSER)).statusCode).toBe(404);
});

test('assets are kept for ever, packed where that is understood, and no other file is served', async () => {
  const { get, head } = serve();
  const plain = await get('/assets/main-1.js');
  expect(plain.body).toBe('run()');
  expect(plain.headers['content-type']).toContain('text/javascript');
  expect(plain.headers['cache-control']).toContain('immutable');
  const packed = await get('/assets/main-1.js', { 'accept-encoding': 'gzip, br' });
  expect(packed.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(packed.rawPayload).toString()).toBe('run()');
  expect((await head('/assets/main-1.js')).body).toBe('');
  for (const url of ['/assets/secret.key', '/assets/../.built', '/assets/other.js', '/.built']) {
    expect((await get(url, BROWSER)).statusCode, url).toBe(404);
  }
});

test('sources that were not built are no page', async () => {
  const { get } = serve({ isBuilt: false });
  expect((await get('/', BROWSER)).body).toBe('for programs');
});
