import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  PATH,
  begin,
  executor,
  exited,
  fileOf,
  keyOf,
  open,
  output,
  root,
  run,
  written,
} from './lanes-fixture.ts';

describe('an end', () => {
  test('is exited with the status of the task', async () => {
    for (const code of [0, 1, 2, 126, 127, 129, 137, 143, 255]) {
      expect(await run(`code${code}`, ['sh', '-c', `exit ${code}`])).toEqual(exited(code));
    }
  });

  test('is signalled if a signal killed the task', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGHUP', 'SIGUSR1']) {
      const kill = `kill -${signal.slice(3)} $$`;
      expect(await run(signal, ['sh', '-c', kill])).toEqual({ kind: 'signalled', signal });
    }
  });

  test('by SIGINT or SIGPIPE cannot be told from an exit with 130 or 141', async () => {
    expect(await run('int', ['sh', '-c', 'kill -INT $$'])).toEqual(exited(130));
    expect(await run('pipe', ['sh', '-c', 'kill -PIPE $$'])).toEqual(exited(141));
  });

  test('is unstartable if the program, its directory or its arguments will not do', async () => {
    writeFileSync(join(root, 'text'), 'no program');
    writeFileSync(join(root, 'lost'), '#!/no/such/interpreter\n', { mode: 0o755 });
    const unstartable = { kind: 'unstartable', why: expect.stringMatching(/^could not exec: ./) };
    const oddName = { env: { PATH, 'A.B': '' } };
    expect(await run('a', ['no-such-program'])).toEqual(unstartable);
    expect(await run('b', ['no-such-program'], oddName)).toEqual(unstartable);
    expect(await run('c', [join(root, 'text')])).toEqual(unstartable);
    expect(await run('d', [join(root, 'lost')])).toEqual(unstartable);
    expect(await run('e', ['/tmp'])).toEqual(unstartable);
    expect(await run('f', [])).toEqual(unstartable);
    expect(await run('g', ['true', 'a\0b'])).toEqual(unstartable);
    expect(await run('h', ['true'], { env: { 'A=B': '' } })).toEqual(unstartable);
    expect(await run('i', ['true'], { env: { A: '\0' } })).toEqual(unstartable);
    expect(await run('j', ['true', 'x'.repeat(2 ** 20)])).toEqual(unstartable);
    expect(await run('k', ['true'], { cwd: '/no/such/directory' })).toEqual({
      kind: 'unstartable',
      why: "could not exec: cd: can't cd to /no/such/directory",
    });
    expect(await run('l', ['true'], { stdout: join(root, 'none/stdout') })).toEqual(unstartable);
    expect(await run('m', ['true'])).toEqual(exited(0));
  });
});

describe('what a task gets', () => {
  test('is exactly the arguments that were given', async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(word(), { minLength: 1 }), async (args) => {
        const key = `argv${n++}`;
        expect(await run(key, ['printf', '%s\\0', ...args])).toEqual(exited(0));
        expect(output(key).split('\0').slice(0, -1)).toEqual(args);
      }),
      { numRuns: 60 },
    );
  });

  test('is exactly the environment that was given, whatever the names', async () => {
    const hard = ['A.B', 'IFS', 'PS4', 'PWD', '_', 'OPTIND', 'PPID', 'u', 'e', 'runyard_exit', 'ä'];
    const names = fc.oneof(fc.constantFrom(...hard), fc.stringMatching(/^[A-Za-z_]\w{0,8}$/));
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, word()), async (env) => {
        const key = `env${n++}`;
        expect(await run(key, ['/usr/bin/env', '-0'], { env })).toEqual(exited(0));
        const pairs = output(key).split('\0').slice(0, -1);
        expect(pairs.toSorted()).toEqual(pairsOf(env).toSorted());
      }),
      { numRuns: 60 },
    );
  });

  test('is its directory, an empty stdin, and files that are appended to', async () => {
    const cwd = join(root, "a 'quoted' directory");
    mkdirSync(cwd);
    expect(await run('cwd', ['sh', '-c', 'pwd; cat; echo no >&2'], { cwd })).toEqual(exited(0));
    expect(output('cwd')).toBe(`${cwd}\n`);
    expect(output('cwd', 'stderr')).toBe('no\n');
    const files = { stdout: fileOf('cwd', 'stdout'), stderr: fileOf('cwd', 'stderr') };
    await run('cwd2', ['echo', 'more'], files);
    expect(output('cwd')).toBe(`${cwd}\nmore\n`);
  });

  test('holds no descriptor of the lane', async () => {
    const script = 'cd /proc/self/fd; echo *';
    await run('fds', ['sh', '-c', script]);
    expect(output('fds')).toBe(execFileSync('sh', ['-c', script], { encoding: 'utf8' }));
  });
});

test('with two slots the third task waits, and can be signalled before it ever starts', async () => {
  const small = await open({ slots: 2 });
  const first = [begin('a', ['sleep', '60'], {}, small), begin('b', ['sleep', '60'], {}, small)];
  const third = begin('c', ['echo', 'ran'], {}, small);
  const fourth = begin('d', ['echo', 'ran'], {}, small);
  small.signal(keyOf('d'), 'SIGTERM');
  expect(await fourth).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
  small.signal(keyOf('a'), 'SIGKILL');
  expect(await third).toEqual(exited(0));
  small.signal(keyOf('b'), 'SIGKILL');
  await Promise.all(first);
  await small.close();
});

test('a lane that is killed from outside ends its task as SIGKILL, and others go on', async () => {
  const task = begin('victim', ['sh', '-c', 'echo $PPID; exec sleep 60']);
  const lane = Number(await written('victim'));
  process.kill(lane, 'SIGKILL');
  expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
  expect(await executor.settle(keyOf('victim'), 0)).toBe(1);
  expect(await run('next', ['true'])).toEqual(exited(0));
});

function word() {
  const odd = fc.constantFrom(
    "'",
    '\n',
    '"',
    '\\',
    '$(x)',
    '`x`',
    ' ',
    '*',
    '~',
    '\x81',
    '\x88',
    '-',
  );
  return fc
    .array(fc.oneof(odd, fc.string({ unit: 'binary', maxLength: 6 })), { maxLength: 6 })
    .map((parts) => parts.join('').replaceAll('\0', ''));
}

function pairsOf(env: Record<string, string>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}
