import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certificate } from '../../src/api/certificate-fixture.ts';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

let yard: Awaited<ReturnType<typeof startYard>>;
let url: string;
let trusting: Record<string, string>;
let admin: Record<string, string>;

beforeAll(async () => {
  yard = await startYard();
  url = `https://127.0.0.1:${yard.port}`;
  writeFileSync(file('yard.pem'), certificate.cert);
  writeFileSync(file('yard.key'), certificate.key, { mode: 0o600 });
  trusting = { NODE_EXTRA_CA_CERTS: file('yard.pem'), RUNYARD_SERVER: url };
  const tls = ['--tls-cert', file('yard.pem'), '--tls-key', file('yard.key')];
  const master = yard.start([...beyondLoopback('state'), ...tls]);
  await until(() => {
    if (master.child.exitCode !== null) throw new Error(`master ended: ${master.said()}`);
    return master.said().includes(' master at https://');
  });
  admin = { ...trusting, RUNYARD_TOKEN: readFileSync(file('state/admin.token'), 'utf8').trim() };
});
afterAll(() => yard.stop());

test('a run goes by TLS from the command line to an enrolled slave, and so does its output', async () => {
  yard.start(slave('s1'), { ...trusting, RUNYARD_TOKEN: await enrolment() });
  const submit = ['submit', '--wait', '-o', 'json', '--', 'sh', '-c', 'echo out; echo err >&2'];
  const done = await ask(admin, ...submit);

  const run = JSON.parse(done.stdout) as { runId: string; state: string; slave: string };
  expect(run).toMatchObject({ state: 'COMPLETE', exitCode: 0, slave: 's1' });
  for (const [stream, text] of [
    ['stdout', 'out\n'],
    ['stderr', 'err\n'],
  ] as const) {
    const logs = await ask(admin, 'run', 'logs', run.runId, '--stream', stream);
    expect([logs.code, logs.stdout]).toEqual([0, text]);
  }
});

test('who has no token is refused, over TLS too', async () => {
  const stranger = await ask(trusting, 'run', 'list');

  expect(stranger.code).toBe(77);
  expect(stranger.stderr).toMatch(/^auth\.missing: /);
});

test('a slave or a client that does not know the authority refuses the master, and says why', async () => {
  const token = await enrolment();
  const refusal = `net.tls: master at ${url}: DEPTH_ZERO_SELF_SIGNED_CERT, name the file of its authority in NODE_EXTRA_CA_CERTS\n`;
  const newcomer = await yard.start(slave('s2'), { RUNYARD_TOKEN: token }).ended;
  expect([newcomer.code, newcomer.stderr]).toEqual([69, refusal]);
  const client = await ask({ RUNYARD_SERVER: url, RUNYARD_TOKEN: token }, 'run', 'list');
  expect([client.code, client.stderr]).toEqual([69, refusal]);

  // The token was shown to nobody whom the slave does not trust: it is good for one enrolment yet.
  const enrolled = yard.start(slave('s2'), { ...trusting, RUNYARD_TOKEN: token });
  await until(() => enrolled.said().includes('slave s2 '));
  enrolled.child.kill('SIGKILL');
  await enrolled.ended;
  const later = yard.start(slave('s2'), {});
  await until(() => later.said().includes('net.tls: '));
  later.child.kill('SIGKILL');
});

test('a certificate that names another host is refused', async () => {
  const other = url.replace('127.0.0.1', '127.0.0.2');
  const client = await ask({ ...admin, RUNYARD_SERVER: other }, 'run', 'list');

  expect(client.code).toBe(69);
  expect(client.stderr).toMatch(/^net\.tls: .*: ERR_TLS_CERT_ALTNAME_INVALID, call it by a name/);
});

test('beyond loopback a master asks for TLS, or to be told that none is wanted', async () => {
  const bare = await yard.start([...beyondLoopback('bare'), '--port', '0']).ended;
  expect(bare.code).toBe(78);
  expect(bare.stderr).toMatch(/^config\.tls_required: 0\.0\.0\.0 is not loopback.*--insecure/);
  expect(existsSync(file('bare'))).toBe(false);

  const insecure = yard.start([...beyondLoopback('open'), '--port', '0', '--insecure']);
  await until(() => insecure.said().includes(' master at http://'));
  expect(existsSync(file('open/admin.token'))).toBe(true);
});

function file(name: string): string {
  return join(yard.root, name);
}

function beyondLoopback(state: string): string[] {
  return ['master', '--state', file(state), '--host', '0.0.0.0', '--port', String(yard.port)];
}

function slave(name: string): string[] {
  return ['slave', '--master', url, '--name', name, '--work-dir', file(name)];
}

function ask(env: Record<string, string>, ...args: string[]) {
  return yard.start(args, env).ended;
}

async function enrolment(): Promise<string> {
  const created = await ask(admin, 'token', 'create', 'rack', '--kind', 'enrol', '-o', 'json');
  return (JSON.parse(created.stdout) as { token: string }).token;
}
