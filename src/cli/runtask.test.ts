import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { REPOSITORY, compile } from '../../test/kit/compiled.ts';
import { manualClock } from '../base/clock.ts';
import { importResults } from '../task/result-yaml.ts';
import { parseTap } from '../task/tap.ts';
import { runtask } from './runtask.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'runyard-runtask-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('T12: runtask', () => {
  test('runs a formula where there is no master, with dummy ids', async () => {
    const ran = await run(
      'name: n\nactions:\n- shell: echo "$koji_build $item $arch $jobid $uuid $artifactsdir"',
      ['task.yml'],
    );
    const uuid = '20260101_000000_000';
    const artifacts = join(root, 'artifacts', uuid);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toBe(`xchat-1 xchat-1 noarch -1 ${uuid} ${artifacts}\n`);
    expect(readdirSync(artifacts).sort()).toEqual(['results.tap', 'results.yml']);
  });

  test('takes what it is given, and a directory for its formula', async () => {
    const ran = await run('name: n\nactions: [{shell: "echo $arch $jobid $uuid; pwd"}]', [
      '--arch=ppc64le',
      '-jall/7',
      '--uuid=u-1',
      '--artifactsdir=out',
      '--workdir=work',
      '.',
    ]);
    expect(ran.stdout).toBe(`ppc64le all/7 u-1\n${join(root, 'work')}\n`);
    expect(existsSync(join(root, 'out', 'results.yml'))).toBe(true);
  });

  test('on a slave it keeps artifacts where the slave says and works where it was started', async () => {
    const ran = await run('name: n\nactions: [{shell: pwd}]', ['task.yml'], {
      RUNYARD_ARTIFACTS_DIR: join(root, 'kept'),
    });
    expect(ran.stdout).toBe(`${root}\n`);
    expect(existsSync(join(root, 'kept', 'results.tap'))).toBe(true);
    expect(existsSync(join(root, 'artifacts'))).toBe(false);
  });

  test('works in a fresh directory that is gone afterwards, unless it is debugged', async () => {
    const formula = 'name: n\nactions: [{shell: pwd}]';
    const ran = await run(formula, ['--uuid', 'a', 'task.yml']);
    expect(existsSync(ran.stdout.trim())).toBe(false);
    const debugged = await run(formula, ['--uuid', 'b', '--debug', 'task.yml']);
    expect(existsSync(debugged.stdout.trim())).toBe(true);
    expect(debugged.stderr).toContain('shell is given "pwd"');
    rmSync(debugged.stdout.trim(), { recursive: true });
  });

  test('refuses a uuid whose artifacts are there already', async () => {
    const formula = 'name: n\nactions: [{shell: echo ran}]';
    expect((await run(formula, ['--uuid', 'u', 'task.yml'])).code).toBe(0);
    const again = await run(formula, ['--uuid', 'u', 'task.yml']);
    expect(again).toMatchObject({ code: 64, stdout: '' });
    expect(again.stderr).toMatch(/input\.directory: .*EEXIST, another run has this uuid/);
  });

  test.each([
    ['a failing action', 'actions: [{shell: exit 3}]', 1, /task\.shell: "exit 3" exited with 3/],
    ['a bad result', 'actions: [{exitcode: {result_last: {results: [{item: x}]}}}]', 100, /OK/],
    ['bad YAML', 'actions: [', 65, /task\.yml:2:11: /],
    ['an unknown directive', 'actions: [{shel: x}]', 65, /task\.yml:2:12: .*did you mean "shell"/],
    ['a missing input', 'input: {args: [compose]}\nactions: [{shell: x}]', 65, /formula\.input/],
    ['an unknown variable', 'actions: [{shell: echo $compose}]', 65, /"\$compose" is not defined/],
  ])('%s makes it exit with its own status', async (_, text, code, said) => {
    const ran = await run(`name: n\n${text}`, ['task.yml']);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toMatch(said);
    expect(existsSync(join(root, 'artifacts'))).toBe(code !== 65);
  });

  test.each([
    [['nope.yml'], 65, /formula\.not_found: there is no file "nope\.yml"/],
    [
      ['empty'],
      65,
      /formula\.not_found: no formula in "empty", it has to hold task\.yml or runtask/,
    ],
    [['task.yml/x'], 65, /formula\.not_found/],
    [[], 64, /missing required argument 'task'/],
    [['a', 'b'], 64, /too many arguments/],
    [['--arhc', 'x', 'task.yml'], 64, /unknown option '--arhc'[\s\S]*--arch/],
  ])('arguments %j are answered with %i', async (args, code, said) => {
    mkdirSync(join(root, 'empty'));
    const ran = await run('name: n\nactions: [{shell: echo}]', args);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toMatch(said);
  });

  test('the help names every exit status and shows examples', async () => {
    const ran = await run('', ['--help']);
    expect(ran.code).toBe(0);
    for (const text of ['0  ', '1  ', '64 ', '65 ', '100', '130, 143', 'Examples:']) {
      expect(ran.printed).toContain(text);
    }
  });

  test('colour is for terminals, and NO_COLOR forbids it', async () => {
    const formula = 'name: n\nactions: [{shell: exit 1}]';
    const escape = '\u001b[31m';
    expect((await run(formula, ['--uuid', '1', 'task.yml'])).stderr).not.toContain(escape);
    const onTerminal = await run(formula, ['--uuid', '2', 'task.yml'], {}, true);
    expect(onTerminal.stderr).toContain(escape);
    const forbidden = await run(formula, ['--uuid', '3', 'task.yml'], { NO_COLOR: '1' }, true);
    expect(forbidden.stderr).not.toContain(escape);
  });
});

describe('T12: the program itself', () => {
  let built: string;

  beforeAll(() => {
    built = compile('src/cli/runtask.ts');
  });

  afterAll(() => rmSync(built, { recursive: true, force: true }));

  test('a task’s output goes through as it appears, its exit status is the program’s', async () => {
    const child = start('name: n\nactions: [{shell: ["echo first; read x < fifo", "exit 9"]}]');
    const stdout = collect(child);
    await stdout.until('first\n');
    writeFileSync(join(root, 'fifo'), 'go\n');
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(stdout.text()).toMatch(/^first\n$/);
  });

  test('SIGTERM ends the running command and keeps the results that were found', async () => {
    const child = start(`name: n
actions:
- resultsdb: {results: {results: [{item: x, type: t, checkname: c}]}}
- shell: ["echo ready; exec sleep 60"]
- shell: echo never`);
    const stdout = collect(child);
    await stdout.until('ready\n');
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([143, null]);
    expect(stdout.text()).not.toContain('never');
    expect(parseTap(stdout.text()).points).toHaveLength(1);
  });

  test.each(['upstream-atomic', 'fedora-cloud-tests'])(
    'the example %s passes, says its architecture, and leaves readable results',
    async (name) => {
      const location =
        'http://kojipkgs.fedoraproject.org/compose/rawhide/Fedora-24-20151208.n.7/compose';
      const item = `${location}/CloudImages/x86_64/images/Fedora-Atomic-24-20151208.n.7.x86_64.qcow2`;
      const argv = ['-t', 'compose', '-i', item, '-a', 'armhfp', '--artifactsdir', root];
      const child = launch([...argv, join(REPOSITORY, 'examples/tasks', name)]);
      const stdout = collect(child);
      expect(await once(child, 'close')).toEqual([0, null]);
      expect(stdout.text()).toMatch(/^arch armhfp, on /);
      const results = importResults(readFileSync(join(root, 'results.yml'), 'utf8'), 'r');
      expect(results.length).toBeGreaterThanOrEqual(3);
      expect(results.map(({ outcome }) => outcome)).toContain('INFO');
      expect(results.filter(({ outcome }) => outcome === 'FAILED')).toEqual([]);
      expect(new Set(results.map((result) => result.item))).toEqual(new Set([item]));
      expect(parseTap(stdout.text()).problems).toEqual([]);
      for (const { artifact } of results) {
        if (artifact !== undefined) expect(existsSync(join(root, artifact))).toBe(true);
      }
    },
  );

  function start(formula: string): ChildProcess {
    writeFileSync(join(root, 'task.yml'), formula);
    if (formula.includes('fifo')) execFileSync('mkfifo', [join(root, 'fifo')]);
    return launch(['-t', 'koji_build', '-i', 'x', '--workdir', '.', 'task.yml']);
  }

  function launch(argv: string[]): ChildProcess {
    const program = join(built, 'dist/cli/runtask.js');
    const stdio = ['ignore' as const, 'pipe' as const, 'ignore' as const];
    return spawn(process.execPath, [program, ...argv], { cwd: root, stdio });
  }
});

interface Ran {
  code: number;
  /** The task's own. */
  stdout: string;
  /** The program's. */
  printed: string;
  stderr: string;
}

async function run(
  formula: string,
  args: readonly string[],
  env: Record<string, string> = {},
  isTerminal = false,
): Promise<Ran> {
  writeFileSync(join(root, 'task.yml'), formula);
  const printed: string[] = [];
  const errors: string[] = [];
  const stdout = openSync(join(root, 'stdout'), 'w');
  try {
    const code = await runtask(['-t', 'koji_build', '-i', 'xchat-1', ...args], {
      env: { PATH: process.env['PATH']!, ...env },
      cwd: root,
      clock: manualClock(),
      print: (text) => printed.push(text),
      printError: (text) => errors.push(text),
      isTerminal,
      stdout,
      stderr: stdout,
      signal: new AbortController().signal,
    });
    const text = readFileSync(join(root, 'stdout'), 'utf8');
    return { code, stdout: text, printed: printed.join(''), stderr: errors.join('') };
  } finally {
    closeSync(stdout);
  }
}

function collect({ stdout }: ChildProcess) {
  let text = '';
  let check = () => {};
  stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    check();
  });
  return {
    text: () => text,
    until: (part: string) =>
      new Promise<void>((resolve) => {
        check = () => {
          if (text.includes(part)) resolve();
        };
        check();
      }),
  };
}
