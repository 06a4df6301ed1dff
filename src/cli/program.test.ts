import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { YardError } from '../base/errors.ts';
import { runRequest } from '../protocol/run.ts';
import type { RunRequestInput } from '../protocol/run.ts';
import type { Client } from './client.ts';
import { aRun, bytesOf, fakeHost } from './host-fixture.ts';
import { makeProgram } from './program.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-cli-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const ID = '1m7ybe7dfmc6ysjt';

test.each([
  [['run', 'list', '--limt', '3'], /unknown option '--limt', did you mean --limit\?/],
  [['master', '--port', 'abc'], /'--port <port>' argument 'abc' is invalid/],
  [['sumbit'], /unknown command 'sumbit', did you mean submit\?/],
  [['slave', 'lst'], /unknown command 'lst', did you mean list\?/],
  [['submit', '--timeout', '5 minutes', '--', 'x'], /Write 500ms, 30s/],
  [['submit', '--label', 'ssd', '--', 'x'], /Write NAME=VALUE/],
  [['submit'], /nothing to run, give a command after --, or --task/],
  [
    ['submit', '--task', 'x', '--item', 'i', '--type', 't', '--', 'y'],
    /either a command or --task/,
  ],
  [['submit', '--task', 'x'], /give --item and --type/],
  [['submit', '--retry-exit-codes', '75', '--', 'x'], /without --retries/],
  [['run', 'list', '--state', 'COMPLET'], /did you mean COMPLETE\?/],
  [['run', 'show'], /missing required argument 'id'/],
  [['token', 'create', 'x', '--scope', 'sbmit'], /did you mean submit\?/],
  [['slave', 'drain', 's1'], /required option '--note <text>'/],
  [['completion', 'tcsh'], /bash, zsh, fish/],
  [['-o', 'yaml', 'run', 'list'], /table, json, jsonl/],
  [['run', 'list', '--server', 'localhost'], /not a master's address/],
])('%j is refused with 64, the reason and the usage', async (argv, reason) => {
  const { run, said } = fakeHost();
  expect(await run(...argv)).toBe(64);
  expect(said.stdout).toBe('');
  expect(said.stderr).toMatch(/^input\.usage: /);
  expect(said.stderr).toMatch(reason);
  expect(said.stderr).toMatch(/^usage: runyard/m);
});

test('no command at all shows what there is, and exits with 64', async () => {
  const { run, said } = fakeHost();
  expect(await run()).toBe(64);
  expect(said.stderr).toMatch(/^Usage: runyard/);
});

test('every command has a help with examples', async () => {
  const paths: string[][] = [];
  const walk = (command: ReturnType<typeof makeProgram>, path: string[]) => {
    paths.push(path);
    for (const child of command.commands) walk(child, [...path, child.name()]);
  };
  walk(
    makeProgram(fakeHost().host, () => {}),
    [],
  );
  expect(paths.length).toBeGreaterThan(25);
  for (const path of paths) {
    const { run, said } = fakeHost();
    expect(await run(...path, '--help')).toBe(0);
    expect(said.stdout, path.join(' ')).toMatch(/Examples:\n {2}/);
  }
});

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

test('text that is cut inside a character is put together again', async () => {
  const bytes = Buffer.from('größer\n');
  async function* cut() {
    for (const byte of bytes) yield Uint8Array.of(byte);
  }
  const { run, said } = fakeHost({ getRun: async () => aRun(), followOutput: cut });
  expect(await run('run', 'logs', ID)).toBe(0);
  expect(said.stdout).toBe('größer\n');
});

test('--raw prints byte for byte', async () => {
  const { run, said } = fakeHost({
    getRun: async () => aRun(),
    followOutput: () => bytesOf('a\u001b[2J\r\n'),
  });
  await run('run', 'logs', '--raw', ID);
  expect(said.stdout).toBe('a\u001b[2J\r\n');
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

test('errors of the master are printed with their code and hint, and decide the exit', async () => {
  const refuse = (code: string) => () =>
    Promise.reject(new YardError(code, 'no \u001b[2Jway', { hint: 'try later' }));
  for (const [code, status] of [
    ['net.unreachable', 69],
    ['auth.missing', 77],
    ['run.unknown', 65],
    ['limit.runs', 75],
  ] as const) {
    const { run, said } = fakeHost({ getRun: refuse(code) });
    expect(await run('run', 'show', ID)).toBe(status);
    expect(said).toEqual({ stdout: '', stderr: `${code}: no way, try later\n` });
  }
});

test('a bug is not taken for an error', async () => {
  const { run } = fakeHost();
  await expect(run('run', 'show', ID)).rejects.toThrow('the master was asked to getRun');
});

test('JSON is one value for a list, one for a run, and a line each as jsonl', async () => {
  const findRuns = async () => ({ runs: [aRun(), aRun()], isCut: false });
  const client = { findRuns, getRun: async () => aRun() };
  const list = fakeHost(client);
  await list.run('run', 'list', '-o', 'json');
  expect(JSON.parse(list.said.stdout)).toEqual([aRun(), aRun()]);
  const lines = fakeHost(client);
  await lines.run('run', 'list', '-o', 'jsonl');
  expect(lines.said.stdout).toBe(`${JSON.stringify(aRun())}\n`.repeat(2));
  const one = fakeHost(client);
  await one.run('run', 'show', ID, '-o', 'json');
  expect(JSON.parse(one.said.stdout)).toEqual(aRun());
  const two = fakeHost(client);
  await two.run('run', 'show', ID, ID.replace('1', '2'), '-o', 'json');
  expect(JSON.parse(two.said.stdout)).toHaveLength(2);
});

test('an empty list is empty JSON, and a word beside an empty table', async () => {
  const client = { findRuns: async () => ({ runs: [], isCut: false }) };
  const json = fakeHost(client);
  await json.run('run', 'list', '-o', 'json');
  expect(json.said.stdout).toBe('[]\n');
  const table = fakeHost(client);
  await table.run('run', 'list');
  expect(table.said).toEqual({ stdout: '', stderr: 'no runs\n' });
});

test('a list that was cut says so beside it, and how to go on', async () => {
  const findRuns: Client['findRuns'] = async (_query, max) => ({
    runs: [aRun()],
    isCut: max === 1,
  });
  const cut = fakeHost({ findRuns });
  await cut.run('run', 'list', '--limit', '1', '-o', 'jsonl');
  expect(cut.said.stdout).toBe(`${JSON.stringify(aRun())}\n`);
  expect(cut.said.stderr).toContain(`more than these 1: --limit N for more, --before ${ID}`);
  const whole = fakeHost({ findRuns });
  await whole.run('run', 'list');
  expect(whole.said.stderr).toBe('');
});

test('runs are searched by when they were made and by words, all of them by default', async () => {
  const asked: unknown[] = [];
  const findRuns: Client['findRuns'] = async (...given) => {
    asked.push(given);
    return { runs: [], isCut: false };
  };
  const { host, run, said } = fakeHost({ findRuns });
  const weekAgo = new Date(host.clock.wall() - 7 * 86_400_000).toISOString();
  await run('run', 'list', '--since', '7d', '--text', 'no space', '--text', 'rack-3');
  await run('run', 'list', '--since', '2026-11-21', '--limit', '3');
  await run('run', 'list', '--ended', 'badly');
  expect(asked).toEqual([
    [{ since: weekAgo, text: ['no space', 'rack-3'] }, 10_000],
    [{ since: '2026-11-21T00:00:00.000Z' }, 3],
    [{ ended: 'badly' }, 50],
  ]);
  expect(await run('run', 'list', '--since', 'yesterday')).toBe(64);
  expect(said.stderr).toContain('Write 90m, 12h, 7d, 2026-11-21');
});

test('flags may come from the environment, and the command line wins', async () => {
  const queries: unknown[] = [];
  const findRuns: Client['findRuns'] = async (query, max) => {
    queries.push({ ...query, max });
    return { runs: [], isCut: false };
  };
  const env = { RUNYARD_LIMIT: '7', RUNYARD_STATE: 'pending', RUNYARD_SERVER: 'http://yard:1/' };
  const { run, masters } = fakeHost({ findRuns }, { env });
  await run('run', 'list');
  await run('run', 'list', '--limit', '8', '--server', 'http://other:2');
  expect(queries).toEqual([
    { max: 7, state: ['PENDING'] },
    { max: 8, state: ['PENDING'] },
  ]);
  expect(masters).toEqual([{ server: 'http://yard:1' }, { server: 'http://other:2' }]);
});

test('a variable that cannot be meant is refused by its name', async () => {
  const { run, said } = fakeHost({}, { env: { RUNYARD_LIMIT: 'many' } });
  expect(await run('run', 'list')).toBe(64);
  expect(said.stderr).toMatch(/variable RUNYARD_LIMIT: 'many' is invalid/);
});

test('inside a task its own variables are not taken for flags', async () => {
  const requests: RunRequestInput[] = [];
  const env = {
    RUNYARD_ATTEMPT: `${ID}.1`,
    RUNYARD_ARCH: 's390x',
    RUNYARD_SERVER: 'http://yard:1',
  };
  const { run, masters } = fakeHost({ submit: keepIn(requests) }, { env });
  await run('submit', '--', 'x');
  expect(requests).toEqual([{ argv: ['x'] }]);
  expect(masters).toEqual([{ server: 'http://yard:1' }]);
});

test('a switch can be turned on and off by a variable', async () => {
  const requests: RunRequestInput[] = [];
  for (const RUNYARD_HOLD of ['1', '0']) {
    await fakeHost({ submit: keepIn(requests) }, { env: { RUNYARD_HOLD } }).run('submit', 'x');
  }
  expect(requests).toEqual([{ argv: ['x'], held: true }, { argv: ['x'] }]);
});

test('the token comes from the named file, or else from the environment', async () => {
  writeFileSync(join(directory, 'token'), 'ryu_file\n');
  const listSlaves = async () => [];
  const env = { RUNYARD_TOKEN: 'ryu_env' };
  const { run, masters, said } = fakeHost({ listSlaves }, { env, cwd: directory });
  await run('slave', 'list');
  await run('slave', 'list', '--token-file', 'token');
  expect(masters.map(({ token }) => token)).toEqual(['ryu_env', 'ryu_file']);
  expect(await run('slave', 'list', '--token-file', 'absent')).toBe(78);
  expect(said.stderr).toMatch(/config\.token_file: "absent" cannot be read: ENOENT/);
});

test.each([
  [{}, true, true],
  [{ NO_COLOR: '1' }, true, false],
  [{ TERM: 'dumb' }, true, false],
  [{}, false, false],
])('with %j on a terminal (%s) there is colour: %s', async (env, isTerminal, hasColour) => {
  const findRuns = async () => ({ runs: [aRun()], isCut: false });
  const { host, said, run } = fakeHost({ findRuns }, { env });
  host.stdout.isTerminal = isTerminal;
  await run('run', 'list');
  expect(said.stdout.includes('\u001b[')).toBe(hasColour);
  expect(said.stdout).toContain('COMPLETE');
  said.stdout = '';
  await run('run', 'list', '--no-color');
  expect(said.stdout).not.toContain('\u001b[');
});

test('a table shows a hostile name as text', async () => {
  const name = 'x\u001b]0;owned\u0007\u202ey\nz';
  const { run, said } = fakeHost({
    findRuns: async () => ({ runs: [aRun({ name })], isCut: false }),
  });
  await run('run', 'list');
  expect(said.stdout).toContain('x\\u202ey z\n');
  expect(said.stdout).not.toContain('\u001b');
});

test('a message is sent as it stands in a file or on standard input', async () => {
  const sent: unknown[] = [];
  const client: Partial<Client> = {
    async sendMessage(message) {
      sent.push(message);
      return { runs: [ID], job: 'j', matched: ['rule 1'], discarded: [] };
    },
  };
  writeFileSync(join(directory, 'm.json'), '{"topic":"a"}');
  const given = { cwd: directory, readInput: async () => '{"topic":"b"}' };
  const { run, said } = fakeHost(client, given);
  expect(await run('trigger', 'send', 'm.json')).toBe(0);
  expect(await run('trigger', 'send', '-')).toBe(0);
  expect(sent).toEqual([{ topic: 'a' }, { topic: 'b' }]);
  expect(said.stdout).toContain(`run ${ID}\n1 run started, job j`);
});

test('what is not JSON is not sent', async () => {
  const { run, said } = fakeHost({}, { readInput: async () => '{' });
  expect(await run('trigger', 'send', '-')).toBe(65);
  expect(said.stderr).toMatch(/^message\.json: standard input is not JSON/);
});

test('drain says how long, and aborting gives the reason on', async () => {
  const asked: unknown[] = [];
  const { run } = fakeHost({
    async drainSlave(...given) {
      asked.push(given);
      throw new YardError('slave.unknown', 'x');
    },
    async abortRun(...given) {
      asked.push(given);
      return aRun({ state: 'ABORTED' });
    },
  });
  expect(await run('slave', 'drain', 's1', '--note', 'disk', '--for', '2h')).toBe(65);
  expect(await run('run', 'abort', ID, '--why', 'wrong')).toBe(0);
  expect(asked).toEqual([
    ['s1', { note: 'disk', forMs: 7_200_000 }],
    [ID, 'wrong'],
  ]);
});

function keepIn(requests: RunRequestInput[]): Client['submit'] {
  return async (request) => {
    requests.push(request);
    return { runId: ID, created: true };
  };
}
