import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runRequest } from '../../protocol/run.ts';
import type { RunRequestInput } from '../../protocol/run.ts';
import type { Client } from '../client.ts';
import { ID, aRun, bytesOf, fakeHost, keepIn } from '../host-fixture.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-cli-'))));
afterEach(() => rmSync(directory, { recursive: true }));

test('a submit prints the id of the run and nothing else', async () => {
  const { run, said } = fakeHost({ submit: async () => ({ runId: ID, created: true }) });
  expect(await run('submit', '--', 'echo', 'hi')).toBe(0);
  expect(said).toEqual({ stdout: `${ID}\n`, stderr: '' });
});

test('the flags of a submit arrive as a request that the master takes', async () => {
  const requests: RunRequestInput[] = [];
  const { run } = fakeHost({ submit: keepIn(requests), listRuns: async () => [aRun()] });
  const flags =
    '--arch aarch64 --label disk=ssd --label os=el9 --env A=1 --env B=x=y --timeout 1h30m ' +
    '--queue-timeout 500ms --output-timeout 30s --retries 2 --retry-exit-codes 1,75 ' +
    '--priority -5 --key k --name n --resource cpus=2 --resource memoryMb=512 --isolation bwrap ' +
    '--hold --exclusive --grace 0s --after last --bundle fs-';
  await run('submit', ...`${flags}${'0'.repeat(64)}`.split(' '), '--', 'sh', '-c', '--wait');
  expect(runRequest.parse(requests[0])).toMatchObject({
    argv: ['sh', '-c', '--wait'],
    arch: 'aarch64',
    labels: { disk: 'ssd', os: 'el9' },
    env: { A: '1', B: 'x=y' },
    timeoutMs: 5_400_000,
    queueTimeoutMs: 500,
    outputTimeoutMs: 30_000,
    graceMs: 0,
    retries: 2,
    retry: { exitCodes: [1, 75] },
    priority: -5,
    key: 'k',
    name: 'n',
    resources: { cpus: 2, memoryMb: 512 },
    isolation: 'bwrap',
    held: true,
    exclusive: true,
    after: [ID],
    bundle: `fs-${'0'.repeat(64)}`,
  });
});

test('what is not given is left to the master', async () => {
  const requests: RunRequestInput[] = [];
  const { run } = fakeHost({ submit: keepIn(requests) });
  await run('submit', '--', 'true');
  expect(requests).toEqual([{ argv: ['true'] }]);
});

test('a directory is packed and sent only if the master does not have it', async () => {
  writeFileSync(join(directory, 'f'), 'x');
  const held = new Set<string>();
  const sent: string[] = [];
  const requests: RunRequestInput[] = [];
  const client: Partial<Client> = {
    submit: keepIn(requests),
    hasBundle: async (id) => held.has(id),
    async putBundle(id, body) {
      for await (const chunk of body) expect(chunk.length).toBeGreaterThan(0);
      held.add(id);
      sent.push(id);
    },
  };
  const { run } = fakeHost(client, { cwd: directory });
  expect(await run('submit', '--bundle', '.', '--', 'cat', 'f')).toBe(0);
  expect(await run('submit', '--bundle', '.', '--', 'cat', 'f')).toBe(0);
  expect(sent).toHaveLength(1);
  expect(requests.map(({ bundle }) => bundle)).toEqual([sent[0], sent[0]]);
});

const FORMULA = 'name: t\ninput:\n  args: [koji_build]\nactions:\n  - shell: [echo hi]\n';

test('a task is packed with its formula and submitted on its item', async () => {
  writeFileSync(join(directory, 'runtask.yml'), FORMULA);
  const requests: RunRequestInput[] = [];
  const client = { submit: keepIn(requests), hasBundle: async () => true };
  const { run, said } = fakeHost(client, { cwd: directory });
  const status = await run('submit', '--task', '.', '--item', 'a/foo-1-1', '--type', 'koji_build');
  expect(said.stderr).toBe('');
  expect(status).toBe(0);
  expect(runRequest.parse(requests[0])).toMatchObject({
    formula: { file: 'runtask.yml', item: 'a/foo-1-1', itemType: 'koji_build' },
    name: expect.stringMatching(/ on foo-1-1$/) as string,
  });
});

test('a formula with a fault is refused before anything is sent', async () => {
  writeFileSync(join(directory, 'task.yml'), FORMULA.replace('shell:', 'shel:'));
  const { run, said } = fakeHost({}, { cwd: directory });
  expect(await run('submit', '--task', '.', '--item', 'x', '--type', 'koji_build')).toBe(65);
  expect(said.stderr).toMatch(/^formula\..*task\.yml:.*shel/s);
});

test('a commit of a repository is named, not fetched', async () => {
  const requests: RunRequestInput[] = [];
  const { run, said } = fakeHost({ submit: keepIn(requests) });
  const commit = 'a'.repeat(40);
  const about = ['--item', 'foo', '--type', 'koji_build'];
  await run('submit', '--task', `https://example.org/rpmlint.git@${commit}`, ...about);
  expect(runRequest.parse(requests[0])).toMatchObject({
    bundle: `git+https://example.org/rpmlint.git@${commit}`,
    formula: { file: 'task.yml' },
    name: 'rpmlint on foo',
  });
  expect(await run('submit', '--task', 'https://example.org/x.git@main', ...about)).toBe(65);
  expect(said.stderr).toMatch(/^bundle\.ref_not_pinned: "main"/m);
});

test.each([
  [aRun({ exitCode: 3 }), 3, ''],
  [aRun({ exitCode: 143, signal: 'SIGTERM', reason: 'signal SIGTERM' }), 143, ''],
  [aRun({ state: 'TIMEDOUT', reason: 'timeout.run' }), 124, 'TIMEDOUT timeout.run after 4.2s'],
  [aRun({ state: 'FAILED', reason: 'lost slave s1' }), 125, 'FAILED lost slave s1'],
  [aRun({ state: 'ABORTED', reason: 'aborted by ann' }), 130, 'ABORTED aborted by ann'],
])('--wait for %o exits with %i', async (ended, status, told) => {
  const { run, said } = fakeHost({
    submit: async () => ({ runId: ID, created: true }),
    waitRun: async () => ended,
  });
  expect(await run('submit', '--wait', '--', 'x')).toBe(status);
  expect(said.stdout).toBe('');
  if (told === '') expect(said.stderr).toBe('');
  else expect(said.stderr).toContain(told);
});

test('--follow prints both streams to where they belong, harmless, and exits as the run', async () => {
  const { run, said } = fakeHost({
    submit: async () => ({ runId: ID, created: true }),
    getRun: async () => aRun({ exitCode: 7 }),
    followOutput: (_, stream) => bytesOf(`${stream} \u001b[1`, 'mbold\u001b[0m\u001b[2J', '\n'),
  });
  expect(await run('submit', '--follow', '--', 'x')).toBe(7);
  expect(said.stdout).toBe('stdout \u001b[1mbold\u001b[0m\n');
  expect(said.stderr).toBe('stderr \u001b[1mbold\u001b[0m\n');
});

test('Ctrl-C stops the waiting and not the run', async () => {
  const { run, said, signal } = fakeHost({
    submit: async () => ({ runId: ID, created: true }),
    waitRun: (_, __, stopped) =>
      new Promise((_resolve, reject) => {
        stopped.addEventListener('abort', () => reject(new Error('stopped')));
        setImmediate(() => signal('SIGINT'));
      }),
  });
  expect(await run('submit', '--wait', '--', 'x')).toBe(130);
  expect(said.stderr).toContain(`still there: ${ID}; stop with "runyard run abort ${ID}"`);
});
