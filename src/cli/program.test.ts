import { expect, test } from 'vitest';
import { YardError } from '../base/errors.ts';
import { ID, aRun, bytesOf, fakeHost } from './host-fixture.ts';
import { makeProgram } from './program.ts';

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

test('-t begins each line of each attempt with its time', async () => {
  const statuses = [aRun({ state: 'RUNNING' }), aRun({ state: 'RUNNING' }), aRun({ attempt: 2 })];
  const { run, said } = fakeHost({
    getRun: async () => statuses.shift() ?? aRun({ attempt: 2 }),
    followOutput: (_, __, { attempt, from }) => bytesOf(`${attempt}\r\nb\n`.slice(from)),
    outputTimes: async (_, __, { attempt }) => ({ marks: [[0, attempt! * 1000]] }),
  });
  expect(await run('run', 'logs', '-f', '-t', ID)).toBe(0);
  expect(said.stdout).toBe(
    [1, 1, 2, 2].map((n, i) => `1970-01-01T00:00:0${n}.000Z ${i % 2 === 0 ? n : 'b'}\n`).join(''),
  );
  await run('run', 'logs', '-t', '--attempt', '2', ID);
  expect(said.stdout.split('\n').at(-2)).toBe('1970-01-01T00:00:02.000Z b');
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
