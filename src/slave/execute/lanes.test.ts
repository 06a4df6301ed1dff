import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { until } from '../../../test/kit/until.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Executor, ProcessEnd, ProcessSpec } from '../ports.ts';
import { makeLanes } from './lanes.ts';
import { type Machine, probeMachine } from './machine.ts';
import { findProcess } from './process-tree.ts';
import { prologue, taskText } from './task-text.ts';

const PATH = '/usr/bin:/bin';
let machine: Machine;
let root: string;
let executor: Executor;

beforeAll(async () => {
  machine = await probeMachine();
});

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lanes-'));
  executor = await open();
});

afterEach(async () => {
  await executor.close();
  const left = survivors();
  for (const pid of left) process.kill(pid, 'SIGKILL');
  rmSync(root, { recursive: true });
  expect(left).toEqual([]);
});

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

describe.each(['subreaper', 'no subreaper', 'group'])('a tree of processes, with %s', (kind) => {
  let trees: Executor;

  beforeEach(async ({ skip }) => {
    skip(kind === 'group' && !machine.cgroup, 'no writable cgroup v2 here');
    if (kind === 'subreaper') expect(machine.subreaper).not.toEqual([]);
    const subreaper = kind === 'subreaper' ? machine.subreaper : [];
    const cgroup = kind === 'group' ? machine.cgroup : undefined;
    trees = await open({ machine: { ...machine, subreaper, cgroup } });
    return () => trees.close();
  });

  test('that does not resist is gone after SIGTERM', async () => {
    const task = begin('tree', ['sh', '-c', 'sleep 60 & echo up; wait'], {}, trees);
    await written('tree');
    trees.signal(keyOf('tree'), 'SIGTERM');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
    expect(await trees.settle(keyOf('tree'), 1000)).toBeLessThanOrEqual(1);
  });

  test('hears SIGTERM in its own sessions too', async () => {
    const script = `trap 'kill $!; echo told; exit 3' TERM; echo up; sleep 60 & wait`;
    const task = begin('session', ['setsid', '-w', 'sh', '-c', script], {}, trees);
    await written('session');
    trees.signal(keyOf('session'), 'SIGTERM');
    await task;
    await trees.settle(keyOf('session'), 5000);
    expect(output('session')).toBe('up\ntold\n');
  });

  test('that forks twice, leaves the session and ignores SIGTERM has no survivor', async () => {
    const inner = `trap "" TERM; (setsid sh -c 'trap "" TERM; sleep 60 & echo up; wait' &) & wait`;
    const script = `trap "" TERM; setsid sh -c '${inner.replaceAll("'", `'\\''`)}' & sleep 60`;
    const task = begin('stubborn', ['sh', '-c', script], {}, trees);
    await written('stubborn');
    trees.signal(keyOf('stubborn'), 'SIGTERM');
    trees.signal(keyOf('stubborn'), 'SIGKILL');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await trees.settle(keyOf('stubborn'), 60_000);
    expect(survivors()).toEqual([]);
  });

  test('of fifty dies whole', async () => {
    const script = 'for i in $(seq 50); do sleep 60 & done; echo up; wait';
    const task = begin('fifty', ['sh', '-c', script], {}, trees);
    await written('fifty');
    // One that is between its fork and its exec cannot be read for a moment.
    await vi.waitFor(() => expect(survivors().length).toBeGreaterThan(50), 10_000);
    trees.signal(keyOf('fifty'), 'SIGKILL');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await trees.settle(keyOf('fifty'), 60_000);
    expect(survivors()).toEqual([]);
  });

  test('ends with its first process; settle kills what it left behind', async () => {
    expect(await begin('bg', ['sh', '-c', 'sleep 60 & setsid sleep 60 &'], {}, trees)).toEqual(
      exited(0),
    );
    expect(await trees.settle(keyOf('bg'), 50)).toBe(2);
    expect(survivors()).toEqual([]);
    expect(await trees.settle(keyOf('bg'), 60_000)).toBe(0);
  });

  test('may end by itself while it is drained', async () => {
    const script = '(sleep 0.2; echo late) &';
    expect(await begin('drain', ['sh', '-c', script], {}, trees)).toEqual(exited(0));
    expect(await trees.settle(keyOf('drain'), 60_000)).toBeGreaterThan(0);
    expect(output('drain')).toBe('late\n');
  });

  test('dies even if SIGKILL comes before it was born', async () => {
    const task = begin('early', ['sleep', '60'], {}, trees);
    trees.signal(keyOf('early'), 'SIGKILL');
    expect(await task).toMatchObject({ kind: 'signalled' });
    await trees.settle(keyOf('early'), 0);
  });

  test('hears SIGTERM even if it comes while it is being born', async () => {
    for (let n = 0; n < 20; n++) {
      const task = begin(`termed${n}`, ['sleep', '60'], {}, trees);
      trees.signal(keyOf(`termed${n}`), 'SIGTERM');
      expect(await task).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
      await trees.settle(keyOf(`termed${n}`), 0);
    }
  });
});

describe('a control group', () => {
  const spec = { isolation: 'cgroup' } as const;
  beforeEach(({ skip }) => skip(!machine.cgroup, 'no writable cgroup v2 here'));

  test('holds the task from its first step, and is gone when the attempt is settled', async () => {
    expect(executor.isolations).toContain('cgroup');
    expect(await run('own', ['cat', '/proc/self/cgroup'], spec)).toEqual(exited(0));
    expect(output('own')).toMatch(new RegExp(`^0::/.*runyard-${keyOf('own')}$`, 'm'));
    expect(groupsLeft()).toEqual([]);
    expect(await run('code', ['sh', '-c', 'exit 5'], spec)).toEqual(exited(5));
    expect(await run('none', ['no-such-program'], spec)).toMatchObject({ kind: 'unstartable' });
    expect(groupsLeft()).toEqual([]);
  });

  test('keeps hold of what hides: a new session, no key in its environment, a group inside', async () => {
    const hide = 'env -i setsid /bin/sh -c "echo up; exec /bin/sleep 60" &';
    const inside = `d=${machine.cgroup}/runyard-${keyOf('hides')}/inner; mkdir $d; echo 0 >$d/cgroup.procs;`;
    const script = `${inside} trap "" TERM; ${hide} sleep 60 & wait`;
    const lanes = await open({ machine: { ...machine, subreaper: [] } });
    const task = begin('hides', ['sh', '-c', script], spec, lanes);
    await written('hides');
    lanes.signal(keyOf('hides'), 'SIGKILL');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await lanes.settle(keyOf('hides'), 0);
    await vi.waitFor(() => expect(groupsLeft()).toEqual([]), 10_000);
    await lanes.close();
  });

  test('ends a task that forks faster than one can look', async () => {
    // Some dozens at any time, each for a moment: one that doubles would take a slow machine down.
    const bomb = 'f() { sleep 0.01; f & }; for i in 1 2 3 4 5 6 7 8 9; do f & f & f & done';
    const task = begin('bomb', ['sh', '-c', `${bomb}; echo up; sleep 60`], spec);
    await written('bomb');
    executor.signal(keyOf('bomb'), 'SIGKILL');
    await task;
    await executor.settle(keyOf('bomb'), 0);
    expect(survivors()).toEqual([]);
  });

  test('is found again by the next process of the slave', async () => {
    const before = await open();
    const script = 'trap "" TERM; env -i setsid /bin/sleep 60 & echo up; wait';
    void begin('kept', ['sh', '-c', script], spec, before);
    await written('kept');
    await before.close();
    const { states, ends } = await adopt(['kept']);
    expect(states).toEqual({ kept: 'running' });
    executor.signal(keyOf('kept'), 'SIGKILL');
    expect(await ends.get('kept')).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await executor.settle(keyOf('kept'), 0);
    await vi.waitFor(() => expect(groupsLeft()).toEqual([]), 10_000);
  });
});

test('an isolation that this machine cannot give is refused, not passed over', async () => {
  const poor = await open({ machine: { ...machine, bwrap: undefined, cgroup: undefined } });
  expect(poor.isolations).toEqual(['none']);
  for (const isolation of ['bwrap', 'cgroup'] as const) {
    expect(await begin(isolation, ['true'], { isolation }, poor)).toEqual({
      kind: 'unstartable',
      why: `could not exec: ${isolation} does not work here`,
    });
  }
  const broken = await open({ machine: { ...machine, cgroup: join(root, 'file') } });
  writeFileSync(join(root, 'file'), '');
  expect(await begin('broken', ['true'], { isolation: 'cgroup' }, broken)).toMatchObject({
    kind: 'unstartable',
    why: expect.stringContaining('no control group: ENOTDIR'),
  });
  await Promise.all([poor.close(), broken.close()]);
});

describe('bwrap', () => {
  test('gives a task its own pid namespace, and the same ends', async ({ skip }) => {
    skip(!executor.isolations.includes('bwrap'), 'bwrap does not work here');
    const spec = { isolation: 'bwrap' } as const;
    expect(await run('pids', ['sh', '-c', 'ls -d /proc/[0-9]* | wc -l; exit 5'], spec)).toEqual(
      exited(5),
    );
    expect(Number(output('pids'))).toBeLessThan(8);
    expect(await run('env', ['env'], spec)).toEqual(exited(0));
    expect(output('env').trimEnd().split('\n').toSorted()).toEqual([
      `PATH=${PATH}`,
      `RUNYARD_ATTEMPT=${keyOf('env')}`,
    ]);
    expect(await run('137', ['sh', '-c', 'exit 137'], spec)).toEqual(exited(137));
    expect(await run('kill', ['sh', '-c', 'kill -KILL $$'], spec)).toEqual({
      kind: 'signalled',
      signal: 'SIGKILL',
    });
    expect(await run('none', ['no-such-program'], spec)).toMatchObject({ kind: 'unstartable' });
  });

  test('shows no value of the environment in a command line', async ({ skip }) => {
    skip(!executor.isolations.includes('bwrap'), 'bwrap does not work here');
    const script = 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"';
    const spec = { env: { PATH, SECRET: 'hunter2' }, isolation: 'bwrap' } as const;
    expect(await run('canary', ['sh', '-c', script], spec)).toEqual(exited(0));
    expect(output('canary')).toContain('--unshare-pid\n');
    expect(output('canary')).not.toContain('hunter2');
  });

  test('lets a task end in its own way on SIGTERM, and SIGKILL leaves nothing', async ({
    skip,
  }) => {
    skip(!executor.isolations.includes('bwrap'), 'bwrap does not work here');
    const spec = { isolation: 'bwrap' } as const;
    const script = `trap 'kill $!; echo told; exit 3' TERM; echo up; sleep 60 & wait`;
    const polite = begin('polite', ['sh', '-c', script], spec);
    await written('polite');
    executor.signal(keyOf('polite'), 'SIGTERM');
    expect(await polite).toEqual(exited(3));
    expect(output('polite')).toBe('up\ntold\n');

    const rude = begin('rude', ['sh', '-c', 'trap "" TERM; setsid sleep 60 & echo up; wait'], spec);
    await written('rude');
    executor.signal(keyOf('rude'), 'SIGKILL');
    expect(await rude).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await executor.settle(keyOf('rude'), 60_000);
    expect(survivors()).toEqual([]);
  });
});

describe('a restart of the slave', () => {
  test('finds what runs, what has ended meanwhile, and what nobody can tell of', async () => {
    const before = await open();
    await begin('done', ['sh', '-c', 'exit 4'], {}, before);
    void begin('runs', ['sh', '-c', 'echo up; sleep 0.3; exit 6'], {}, before);
    await written('runs');
    await before.close();

    const { states, ends } = await adopt(['done', 'runs', 'never']);
    expect(states).toEqual({ done: 'ended', runs: 'running', never: 'gone' });
    expect(await ends.get('done')).toEqual(exited(4));
    expect(await ends.get('runs')).toEqual(exited(6));
    expect(await executor.settle(keyOf('runs'), 0)).toBe(0);
    expect(await executor.settle(keyOf('done'), 0)).toBe(0);
  });

  test('can signal and settle what it took over', async () => {
    const before = await open();
    const resists = ['sh', '-c', 'trap "" TERM; setsid sleep 60 & echo up; wait'];
    void begin('one', ['sh', '-c', 'setsid sleep 60 & echo up; wait'], {}, before);
    void begin('two', resists, {}, before);
    await Promise.all([written('one'), written('two')]);
    await before.close();

    const { ends } = await adopt(['one', 'two']);
    executor.signal(keyOf('one'), 'SIGTERM');
    expect(await ends.get('one')).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
    executor.signal(keyOf('two'), 'SIGKILL');
    expect(await ends.get('two')).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await Promise.all([
      executor.settle(keyOf('one'), 60_000),
      executor.settle(keyOf('two'), 60_000),
    ]);
    expect(survivors()).toEqual([]);
  });

  test('after SIGKILL loses no task: the lane outlives the process that started it', async () => {
    const spec = specOf('orphan', ['sh', '-c', 'echo up; sleep 0.3; exit 9']);
    const at = { exitFile: fileOf('orphan', 'exit'), group: undefined };
    const text = taskText(spec, machine, at, 1);
    const slave = spawn(process.execPath, ['-e', SLAVE, ...machine.subreaper, machine.shell], {
      env: { PROLOGUE: prologue('LANE', true), TEXT: text },
      stdio: 'ignore',
    });
    await written('orphan');
    slave.kill('SIGKILL');
    const { states, ends } = await adopt(['orphan']);
    expect(states).toEqual({ orphan: 'running' });
    expect(await ends.get('orphan')).toEqual(exited(9));
    await executor.settle(keyOf('orphan'), 0);
  });

  test('kills what was left behind when the lane is gone as well', async () => {
    const before = await open();
    await begin('left', ['sh', '-c', 'setsid sleep 60 & exit 1'], {}, before);
    await before.close();
    const { states } = await adopt(['left']);
    expect(states).toEqual({ left: 'ended' });
    expect(await executor.settle(keyOf('left'), 0)).toBe(1);
  });
});

describe('a guarded attempt', () => {
  test('is killed with all that it left when its time is over, by nobody of this process', async () => {
    const before = await open();
    void begin('guarded', ['sh', '-c', 'echo up; sleep 60 & sleep 60'], {}, before);
    await written('guarded');
    before.guard(keyOf('guarded'), 300);
    await before.close();
    await until(() => survivors().length === 0);
    const { ends } = await adopt(['guarded']);
    expect((await ends.get('guarded')) ?? 'gone').not.toEqual(exited(0));
  });

  test('lives on when that is moved on, and its lane serves others after it', async () => {
    const end = begin('moved', ['sh', '-c', 'echo up; sleep 0.5; exit 4']);
    await written('moved');
    executor.guard(keyOf('moved'), 200);
    executor.guard(keyOf('moved'), 60_000);
    expect(await end).toEqual(exited(4));
    await executor.settle(keyOf('moved'), 0);
    expect(existsSync(fileOf('moved', 'lease'))).toBe(false);
    expect(await run('next', ['true'])).toEqual(exited(0));
  });
});

/** A slave that dies before it can hear of an end. */
const SLAVE = `
  const { readFileSync } = require('node:fs');
  const [file, ...args] = process.argv.slice(1);
  const stdio = ['pipe', 'pipe', 'ignore'];
  const lane = require('node:child_process').spawn(file, args, { detached: true, env: {}, stdio });
  const startTime = readFileSync('/proc/' + lane.pid + '/stat', 'utf8').split(') ')[1].split(' ')[19];
  const name = 'lane ' + lane.pid + ' ' + startTime;
  lane.stdin.write(process.env.PROLOGUE.replace('LANE', name) + process.env.TEXT);
  setInterval(() => {}, 1000);
`;

function open(more: { slots?: number; machine?: Machine } = {}): Promise<Executor> {
  return makeLanes({ clock: systemClock, log: silentLog, workRoot: root, machine, ...more });
}

/** Unlike those of any other test that runs now; an attempt's processes are known by it. */
function keyOf(name: string): string {
  return `${basename(root)}.${name}`;
}

function nameOf(key: string): string {
  return key.slice(basename(root).length + 1);
}

function fileOf(key: string, name: string): string {
  return join(root, 'attempts', keyOf(key), name);
}

function output(key: string, stream = 'stdout'): string {
  return readFileSync(fileOf(key, stream), 'utf8');
}

function specOf(name: string, argv: string[], more: Partial<ProcessSpec> = {}): ProcessSpec {
  const key = keyOf(name);
  mkdirSync(join(root, 'attempts', key), { recursive: true });
  return {
    key,
    argv,
    cwd: '/tmp',
    isolation: 'none',
    stdout: fileOf(name, 'stdout'),
    stderr: fileOf(name, 'stderr'),
    env: { PATH, RUNYARD_ATTEMPT: key },
    ...more,
  };
}

/** Resolves with the end; checks that the start was told first. */
function begin(key: string, argv: string[], more: Partial<ProcessSpec> = {}, by = executor) {
  return new Promise<ProcessEnd>((resolve) => {
    let hasStarted = false;
    by.start(specOf(key, argv, more), {
      started: () => (hasStarted = true),
      ended(end) {
        if (end.kind === 'exited') expect(hasStarted).toBe(true);
        resolve(end);
      },
    });
  });
}

async function run(key: string, argv: string[], more: Partial<ProcessSpec> = {}) {
  const end = await begin(key, argv, more);
  expect(await executor.settle(keyOf(key), 0)).toBe(0);
  return end;
}

async function adopt(keys: string[]) {
  const ends = new Map<string, Promise<ProcessEnd>>();
  const adopted = await executor.adopt(keys.map(keyOf), (key) => {
    let ended: (end: ProcessEnd) => void;
    ends.set(nameOf(key), new Promise((resolve) => (ended = resolve)));
    return { started: () => {}, ended: (end) => ended(end) };
  });
  return {
    states: Object.fromEntries(adopted.map(({ key, state }) => [nameOf(key), state])),
    ends,
  };
}

/** Control groups of this test that nobody removed. */
function groupsLeft(): string[] {
  return readdirSync(machine.cgroup!).filter((name) => name.startsWith(`runyard-${keyOf('')}`));
}

function exited(code: number): ProcessEnd {
  return { kind: 'exited', code };
}

/** What a task wrote first, once it did. */
async function written(key: string): Promise<string> {
  await until(() => existsSync(fileOf(key, 'stdout')) && output(key).includes('\n'));
  return output(key);
}

/** Live processes of any attempt of this test. */
function survivors(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && findProcess(Number(name)))
    .filter((pid) => {
      try {
        const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        return pairs.some((pair) => pair.startsWith(`RUNYARD_ATTEMPT=${keyOf('')}`));
      } catch {
        return false; // It ended between the two looks.
      }
    })
    .map(Number);
}

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
