import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isDone } from '../../src/protocol/run.ts';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

let yard: Awaited<ReturnType<typeof startYard>>;
beforeAll(async () => {
  yard = await startYard();
  await yard.startMaster();
  yard.startSlave('s1', '--slots', '4');
  await until(async () => (await yard.client.listSlaves()).some(({ state }) => state === 'ONLINE'));
});
afterAll(async () => {
  await yard.stop();
});

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(new URL(path, yard.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    ...((await response.json()) as { error: { code: string; message: string } }),
  };
}

/** As it is written: `fetch` would tidy the path up. */
function getRaw(path: string): Promise<number> {
  return new Promise((done, fail) => {
    request({ host: '127.0.0.1', port: yard.port, path }, (response) => {
      response.resume();
      done(response.statusCode!);
    })
      .on('error', fail)
      .end();
  });
}

test.each([
  [{}, 400, 'input.invalid', /argv or formula/],
  [{ argv: [] }, 400, 'bundle.argv', /argv/],
  [{ argv: [''] }, 400, 'bundle.argv', /must not be empty/],
  [{ argv: ['a\0b'] }, 400, 'bundle.argv', /NUL/],
  [{ argv: ['true'], env: { 'A=B': 'x' } }, 400, 'bundle.env', /A=B/],
  [{ argv: ['true'], env: { LD_PRELOAD: 'x' } }, 400, 'bundle.env', /LD_PRELOAD is denied/],
  [{ argv: ['true'], env: { X: 'y'.repeat(70_000) } }, 400, 'bundle.env', /65536/],
  [{ argv: ['true'], arch: 'x86-64' }, 400, 'input.arch', /did you mean|unknown/],
  [{ argv: ['true'], nonsense: 1 }, 400, 'input.invalid', /nonsense/],
  [{ argv: ['true'], priority: 1e9 }, 400, 'input.invalid', /priority/],
  [{ argv: ['true'], bundle: 'fs-1234' }, 400, 'bundle.ref', /neither/],
  [{ argv: ['true'], bundle: `fs-${'0'.repeat(64)}` }, 404, 'bundle.unknown', /not here/],
  [{ argv: ['true'], bundle: `git+ext::sh@${'a'.repeat(40)}` }, 400, 'bundle.repo_url', /ext/],
  [{ argv: ['true'], bundle: 'git+https://h/r@main' }, 400, 'bundle.ref_not_pinned', /main/],
  [
    { formula: { file: '../x.yml', item: 'i', itemType: 't' }, bundle: `fs-${'0'.repeat(64)}` },
    400,
    'bundle.task_file',
    /relative path inside the repository/,
  ],
  [{ argv: ['true'], after: ['nosuch'] }, 404, 'run.unknown', /nosuch/],
])('a bad submit of case %# is refused with its code', async (body, status, code, text) => {
  const answer = await post('/api/runs', body);
  expect(answer.status).toBe(status);
  expect(answer.error.code).toBe(code);
  expect(JSON.stringify(answer.error)).toMatch(text);
});

test('what is not JSON, too large, or nowhere is refused by name', async () => {
  expect(await post('/api/runs', '{"argv": [}')).toMatchObject({
    status: 400,
    error: { code: 'input.json' },
  });
  expect(await post('/api/nowhere', {})).toMatchObject({
    status: 404,
    error: { code: 'route.unknown' },
  });
  const huge = JSON.stringify({ argv: ['x'.repeat(33 * 2 ** 20)] });
  expect(await post('/api/runs', huge)).toMatchObject({
    status: 413,
    error: { code: 'input.too_large' },
  });
  expect(await post('/api/runs/nosuch/abort', {})).toMatchObject({
    status: 404,
    error: { code: 'run.unknown' },
  });
});

test('a page of another origin, or a host name that is not ours, cannot steer an open master', async () => {
  const foreign = await post('/api/runs', { argv: ['true'] }, { origin: 'http://evil.example' });
  expect(foreign).toMatchObject({ status: 403, error: { code: 'auth.origin' } });
});

test('outputs: unknown, escaping, out of range, after the end', async () => {
  const { runId } = await yard.client.submit({ argv: ['sh', '-c', 'printf 0123456789'] });
  await yard.client.waitRun(runId, 20_000);
  const url = `${yard.url}/runs/${runId}/outputs/stdout`;
  expect((await fetch(`${yard.url}/runs/nosuch/outputs/stdout`)).status).toBe(404);
  expect((await fetch(`${yard.url}/runs/${runId}/outputs/nosuch`)).status).toBe(404);
  expect(await getRaw(`/runs/..%2f..%2fetc/outputs/stdout`)).toBe(400);
  expect(await getRaw(`/runs/${runId}/outputs/..%2f..%2f..%2fRUNYARD`)).toBe(400);
  const part = await fetch(url, { headers: { range: 'bytes=2-4' } });
  expect([part.status, await part.text(), part.headers.get('content-range')]).toEqual([
    206,
    '234',
    'bytes 2-4/10',
  ]);
  const last = await fetch(url, { headers: { range: 'bytes=-3' } });
  expect(await last.text()).toBe('789');
  expect((await fetch(url, { headers: { range: 'bytes=99999999999999-' } })).status).toBe(416);
  const head = await fetch(url, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '10']);
  expect(head.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(head.headers.get('x-content-type-options')).toBe('nosniff');
  const late = await fetch(`${yard.url}/api/attempts/${runId}/1/outputs/stdout?offset=10`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', 'x-runyard-attempt-token': 'forged' },
    body: 'more',
  });
  expect([late.status, ((await late.json()) as { error: { code: string } }).error.code]).toEqual([
    409,
    'run.stale_attempt',
  ]);
});

test('a line is at the reader within a second while the run goes on', async () => {
  const { runId } = await yard.client.submit({
    argv: ['sh', '-c', 'echo first; sleep 3; echo last'],
  });
  const seen: { text: string; isOver: boolean }[] = [];
  for await (const bytes of yard.client.followOutput(runId, 'stdout', { follow: true })) {
    seen.push({
      text: Buffer.from(bytes).toString(),
      // Not `RUNNING`: that its attempt has started comes by another way, and may come later.
      isOver: isDone((await yard.client.getRun(runId)).state),
    });
  }
  expect(seen[0]).toEqual({ text: 'first\n', isOver: false });
  expect(seen.map(({ text }) => text).join('')).toBe('first\nlast\n');
});

test('the command line: unknown flags and words, bad values, and a master that is not there', async () => {
  const unknown = await yard.run('submit', '--nonsense', '--', 'true');
  expect(unknown.code).toBe(64);
  expect(unknown.stderr).toMatch(/nonsense/);
  expect((await yard.run('master', '--port', 'abc')).code).toBe(64);
  expect((await yard.run('frobnicate')).code).toBe(64);
  expect((await yard.run('run', 'show', 'nosuch')).stderr).toMatch(/run\.unknown/);
  const nobody = createServer();
  nobody.listen(0);
  const { port } = nobody.address() as { port: number };
  nobody.close();
  const unreachable = await yard.run('run', 'list', '--server', `http://127.0.0.1:${port}`);
  expect(unreachable.code).toBe(69);
  expect(unreachable.stderr).toMatch(/net\.unreachable/);
});

test('submit --wait exits as its task did', async () => {
  expect((await yard.run('submit', '--wait', '--', 'sh', '-c', 'exit 7')).code).toBe(7);
  expect((await yard.run('submit', '--wait', '--', 'sh', '-c', 'kill -TERM $$')).code).toBe(143);
  expect((await yard.run('submit', '--wait', '--timeout', '300ms', '--', 'sleep', '30')).code).toBe(
    124,
  );
  expect((await yard.run('submit', '--wait', '--', '/no/such/program')).code).toBe(125);
  const plain = await yard.run('submit', '--', 'true');
  expect(plain.stdout).toMatch(/^[0-9a-z]{16}\n$/);
});

test('a second master on the same state or port, a foreign directory, and no TLS beyond loopback', async () => {
  const locked = await yard.run('master', '--state', join(yard.root, 'state'), '--port', '0');
  expect(locked.code).toBe(75);
  expect(locked.stderr).toMatch(/store\.locked.*by pid \d+/);
  const foreign = join(yard.root, 'foreign');
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'precious'), 'data');
  const refused = await yard.run('master', '--state', foreign, '--port', '0');
  expect(refused.stderr).toMatch(/store\.foreign/);
  const port = String(yard.port);
  const taken = await yard.run('master', '--state', join(yard.root, 'y'), '--port', port);
  expect(taken.code).toBe(69);
  expect(taken.stderr).toMatch(/^net\.listen: .*somebody listens there already/);
  const open = await yard.run(
    'master',
    '--state',
    join(yard.root, 'x'),
    '--host',
    '0.0.0.0',
    '--port',
    '0',
  );
  expect(open.code).toBe(78);
  expect(open.stderr).toMatch(/config\.tls_required/);
});

test('hello: a taken name and an unknown architecture are refused by name', async () => {
  const twin = yard.startSlave('s1', '--work-dir', join(yard.root, 'twin'));
  await until(() => twin.said().includes('hello.duplicate'));
  const odd = await yard.startSlave('s9', '--arch', 'x86-64').ended;
  expect(odd.stderr).toMatch(/hello\.arch.*x86_64/);
});
