import {
  closeSync,
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { checkDetail } from './check-detail.ts';
import { DIRECTIVES } from './directives/table.ts';
import { parseFormula } from './formula.ts';
import { makeProcesses } from './processes.ts';
import { importResults } from './result-yaml.ts';
import { builtInVariables, runFormula } from './run-formula.ts';
import type { TaskEnd, TaskInput } from './run-formula.ts';
import { parseTap, resultsFromTap } from './tap.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'runyard-formula-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('T9, T11: shell', () => {
  test('commands run one after the other in the work directory, their output as it is', async () => {
    const ran = await run('- shell: [pwd, "echo out; echo err >&2", "exit 0 | cat"]');
    expect(ran.end).toMatchObject({ executionStatus: 'OK', exitCode: 0, results: [] });
    expect(ran.stdout).toBe(`${join(root, 'work')}\nout\n`);
    expect(ran.stderr).toBe('err\n');
  });

  test('the first that fails ends the task, and the error names it', async () => {
    const ran = await run('- shell: ["exit 3", "echo never"]\n- shell: echo never');
    expect(ran.end).toMatchObject({ executionStatus: 'NOT_OK', exitCode: 1 });
    expect(ran.end.status).toMatch(/^task\.shell: "exit 3" exited with 3, /);
    expect(ran.stdout).not.toContain('never');
    expect(ran.said).toContain(ran.end.status);
  });

  test('T11: a failure under ignorereturn is tolerated, and said', async () => {
    const ran = await run(
      '- shell:\n    - ignorereturn: [rm inventory, "kill -9 $$$$"]\n    - echo after',
    );
    expect(ran.end.exitCode).toBe(0);
    expect(ran.stdout).toBe('after\n');
    expect(ran.said).toMatch(/warning: "rm inventory" exited with 1; ignored, as the formula says/);
    expect(ran.said).toMatch(/warning: "kill -9 \$\$" was ended by SIGKILL; ignored/);
  });

  test('T11: ignorereturn covers its own commands only', async () => {
    const ran = await run('- shell:\n    - ignorereturn: [exit 1]\n    - exit 4');
    expect(ran.end.status).toMatch(/^task\.shell: "exit 4" exited with 4/);
  });

  test('a command ended by a signal is told as that', async () => {
    const ran = await run('- shell: "kill -TERM $$$$"');
    expect(ran.end.status).toMatch(/was ended by SIGTERM/);
  });

  test('a NUL in a command is the formula’s fault and not a crash', async () => {
    const ran = await run('- shell: "echo a\\0b"');
    expect(ran.end.status).toMatch(/^task\.shell: .* could not be started: /);
  });

  test('the environment is what the port was given, whole', async () => {
    const ran = await run('- shell: "env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SHLVL= | sort"');
    expect(ran.stdout).toBe(`ONLY=this\nPATH=${process.env['PATH']}\n`);
  });
});

describe('T9: python', () => {
  test('the callable gets its keyword arguments in their types, and its value is exported', async () => {
    const ran = await run(
      `- python: {file: t.py, callable: run, a: '\${artifactsdir}', n: 3, l: [1, null, {x: true}]}
  export: out
- dummy: {result: PASS, msg: $out}
  export: copy
- shell: 'echo "\${copy.kind} \${copy.n} $item"'`,
      'def run(a, n, l):\n  print("own", flush=True)\n  assert a.endswith("artifacts") and l == [1, None, {"x": True}]\n  return {"kind": "dict", "n": n + 1}',
    );
    expect(ran.end).toMatchObject({ exitCode: 0 });
    expect(ran.stdout).toBe('own\ndict 4 xchat-1\n');
  });

  test('it runs in the work directory, imports its neighbours, and leaves nothing beside them', async () => {
    writeTask('neighbour.py', 'VALUE = 5');
    const ran = await run(
      '- python: {file: t.py, callable: run}\n  export: out\n- shell: echo $out',
      'import os, neighbour\ndef run():\n  return "%s %d %s" % (os.getcwd(), neighbour.VALUE, __name__)',
    );
    expect(ran.stdout).toBe(`${join(root, 'work')} 5 t\n`);
    expect(ran.taskFiles()).toEqual(['neighbour.py', 't.py']);
  });

  test('what it reads from its input is at its end, descriptor 3 is not its children’s', async () => {
    const ran = await run(
      '- python: {file: t.py, callable: run}',
      'import subprocess, sys\ndef run():\n  assert sys.stdin.read() == ""\n  assert subprocess.call("true >&3", shell=True, stderr=subprocess.DEVNULL, close_fds=False) != 0',
    );
    expect(ran.end.status).toBe('');
  });

  test('an exception ends the task with its text, and the traceback shows only the task', async () => {
    const ran = await run(
      '- python: {file: t.py, callable: run}\n- shell: echo never',
      'def run():\n  raise ValueError("no \\"disk\\"")',
    );
    expect(ran.end.status).toBe(
      String.raw`task.python: run of "t.py" raised "ValueError: no \"disk\""`,
    );
    expect(ran.stderr).toMatch(/^Traceback.*\n.*t\.py", line 2, in run\n/);
    expect(ran.stderr).not.toContain('exec_module');
    expect(ran.stdout).toBe('');
  });

  test.each([
    ['a syntax error', 'def run(:', /^task\.python: run of "t\.py" raised "SyntaxError/],
    ['a missing callable', 'def runs(): pass', /^task\.python_callable: .*did you mean "runs"\?/],
    ['a wrong argument', 'def run(x): pass', /raised "TypeError: run\(\) missing 1/],
    ['a value that JSON cannot say', 'def run(): return {1j}', /^task\.python_value: .*not JSON/],
    ['a number that is none', 'def run(): return float("nan")', /^task\.python_value: /],
    ['an exit', 'import sys\ndef run(): sys.exit(3)', /raised "SystemExit: 3"/],
    ['a sudden end', 'import os\ndef run(): os._exit(7)', /^task\.python: .*python3 exited with 7/],
  ])('%s is told as such', async (_, source, pattern) => {
    const ran = await run('- python: {file: t.py, callable: run}', source);
    expect(ran.end).toMatchObject({ exitCode: 1, status: expect.stringMatching(pattern) });
  });

  test('a value too large to take is refused, and python does not stay', async () => {
    const ran = await run(
      '- python: {file: t.py, callable: run}',
      'def run(): return "x" * (17 * 2**20)',
    );
    expect(ran.end.status).toMatch(/^task\.answer_too_large/);
  });

  test('a file that is not there is told before python starts', async () => {
    const ran = await run('- python: {file: nope.py, callable: run}');
    expect(ran.end.status).toMatch(/^task\.python_file: "nope\.py" cannot be read: ENOENT/);
  });

  test('a machine without python3 is told as that', async () => {
    const ran = await run('- python: {file: t.py, callable: run}', '', { PATH: '/nowhere' });
    expect(ran.end.status).toMatch(
      /^task\.python: python3 could not be started: .*, install Python/,
    );
  });
});

describe('T9, T17: resultsdb', () => {
  test('results are kept as YAML and TAP, and the TAP is printed', async () => {
    const ran = await run(
      '- python: {file: t.py, callable: run, item: $koji_build}\n  export: output\n- resultsdb: {results: $output}',
      `import json
def run(item):
  return json.dumps({"results": [
    {"item": item, "type": "koji_build", "checkname": "c.one", "outcome": "PASSED", "arch": "noarch"},
    {"item": item, "type": "koji_build", "checkname": "c.two", "outcome": "FAILED", "note": "2 bad"}]})`,
    );
    const expected = [
      checkDetail({
        ...RESULT,
        checkname: 'c.one',
        outcome: 'PASSED',
        keyvals: { arch: 'noarch' },
      }),
      checkDetail({ ...RESULT, checkname: 'c.two', outcome: 'FAILED', note: '2 bad' }),
    ];
    // A bad outcome is about the item: the task itself went well.
    expect(ran.end).toEqual({ executionStatus: 'OK', status: '', exitCode: 0, results: expected });
    expect(importResults(ran.artifact('results.yml'), 'r')).toEqual(expected);
    expect(ran.printed).toBe(ran.artifact('results.tap'));
    const fromTap = resultsFromTap(parseTap(ran.printed));
    expect(fromTap.map(({ outcome }) => outcome)).toEqual(['PASSED', 'FAILED']);
  });

  test('a dict is taken as well as YAML, a file as well as a value', async () => {
    const results = JSON.stringify({ results: [{ ...RESULT, checkname: 'c' }] });
    const ran = await run(
      `- python: {file: t.py, callable: run}\n  export: out\n- resultsdb: {results: $out}
- shell: ['echo "$text" > r.yml']\n- resultsdb: {file: r.yml}`.replace('$text', '{results: []}'),
      `def run(): return ${results}`,
    );
    expect(ran.end).toMatchObject({ status: '', results: [{ checkname: 'c' }] });
  });

  test.each(['item', 'type', 'checkname'])('a result without %s is refused', async (key) => {
    const { [key]: _, ...result } = { ...RESULT, checkname: 'c' } as Record<string, string>;
    const ran = await run(`- resultsdb: {results: {results: [${JSON.stringify(result)}]}}`);
    expect(ran.end).toMatchObject({ exitCode: 1 });
    expect(ran.end.status).toMatch(/^task\.results\.missing: .*results\[0\].*is missing/);
  });

  test('a check name that the runner was given serves where a result has none', async () => {
    const action = `- resultsdb: {results: {results: [${JSON.stringify(RESULT)}]}}`;
    const ran = await run(action, '', {}, { checkname: 'given' });
    expect(ran.end.results).toMatchObject([{ checkname: 'given' }]);
  });

  test('an artifact is kept only if it is there and inside the artifacts directory', async () => {
    const paths = ['log.txt', 'nope.txt', '../secret', 'link', '/etc/passwd', '.', 'a\\0b'];
    const list = paths.map((path) => `{item: x, type: t, checkname: c, artifact: "${path}"}`);
    const ran = await run(
      `- shell:\n    - touch $artifactsdir/log.txt $artifactsdir/../secret\n    - ln -s ../secret $artifactsdir/link
- resultsdb: {results: {results: [${list.join(', ')}]}}`,
    );
    expect(ran.end.results.map(({ artifact }) => artifact)).toEqual([
      'log.txt',
      undefined,
      undefined,
      undefined,
      undefined,
      '.',
      undefined,
    ]);
    expect(ran.said).toMatch(
      /warning: results\[2\]: artifact "\.\.\/secret" does not exist inside/,
    );
  });

  test('exactly one of results and file is asked for before anything runs', async () => {
    await expect(run('- shell: echo never\n- resultsdb: {}')).rejects.toThrow(/exactly one of/);
    await expect(run('- resultsdb: {results: a, file: b}')).rejects.toThrow(/exactly one of/);
  });

  test('results that a task leaves by itself are taken, and none is counted twice', async () => {
    const left = `{item: x, type: t, checkname: c, outcome: INFO}`;
    const ran = await run(
      `- shell: ['echo "{results: [${left}, {item: z}]}" > $artifactsdir/results.yml']
- resultsdb: {results: {results: [${left}, {item: y, type: t, checkname: c}]}}`,
    );
    expect(ran.end.results.map(({ item }) => item)).toEqual(['x', 'z', 'y']);
  });

  test('what a task leaves that cannot be read is its error, and what was kept is returned', async () => {
    const ran = await run(
      `- resultsdb: {results: {results: [{item: y, type: t, checkname: c}]}}
- shell: echo "result" > $artifactsdir/results.yml`,
    );
    expect(ran.end).toMatchObject({ exitCode: 1, results: [{ item: 'y' }] });
    expect(ran.end.status).toMatch(/^task\.results\.type: results\.yml is not a map/);
  });

  test('a task that spoils its artifacts directory is told so', async () => {
    const made = await run('- shell: mkdir $artifactsdir/results.yml');
    expect(made.end.status).toMatch(/^task\.artifacts: .*results\.yml" cannot be used: EISDIR/);
    const removed = await run('- shell: rm -r $artifactsdir');
    expect(removed.end.status).toMatch(/^task\.artifacts: .* cannot be used: ENOENT/);
  });

  test('results that were kept outlive a later failure, an earlier run’s do not', async () => {
    mkdirSync(join(root, 'artifacts'));
    writeFileSync(join(root, 'artifacts', 'results.yml'), 'results: [{item: old}]');
    const ran = await run(
      '- resultsdb: {results: {results: [{item: y, type: t, checkname: c}]}}\n- shell: exit 1',
    );
    expect(ran.end).toMatchObject({ exitCode: 1, results: [{ item: 'y' }] });
    expect(importResults(ran.artifact('results.yml'), 'r')).toHaveLength(1);
    expect(parseTap(ran.printed).points).toHaveLength(1);
  });
});

describe('T9: exitcode and dummy', () => {
  test.each([
    ['result_worst', ['PASSED', 'INFO'], 0],
    ['result_worst', ['FAILED', 'PASSED'], 100],
    ['result_last', ['FAILED', 'PASSED'], 0],
    ['result_last', ['PASSED', 'NEEDS_INSPECTION'], 100],
    ['result_worst', [], 0],
  ])('%s of %j makes the task exit with %i', async (key, outcomes, code) => {
    const results = outcomes.map((outcome) => ({ item: 'x', outcome }));
    const ran = await run(`- exitcode: {${key}: ${JSON.stringify({ results })}}`);
    expect(ran.end).toMatchObject({ executionStatus: 'OK', exitCode: code });
  });

  test('an action that fails counts more than an exitcode', async () => {
    const ran = await run('- exitcode: {result_last: {results: [{item: x}]}}\n- shell: exit 3');
    expect(ran.end.exitCode).toBe(1);
  });

  test('dummy fails if it is told to', async () => {
    expect((await run('- dummy: {result: FAIL}')).end.status).toMatch(/^task\.dummy/);
    expect((await run('- dummy: {result: PASS}')).end.exitCode).toBe(0);
  });
});

describe('T12, T25: a run', () => {
  test('the built-in variables are the item under its type too, and no type hides another', () => {
    const given = input({ itemType: 'compose', item: 'url' });
    expect(builtInVariables(given)).toMatchObject({ compose: 'url', item: 'url', arch: 'x86_64' });
    expect(builtInVariables({ ...given, itemType: 'arch' })).toMatchObject({ arch: 'x86_64' });
  });

  test('an error after variables are put in names the line of its action', async () => {
    const ran = await run('- dummy: {result: a, msg: 5}\n  export: v\n- shell: ["echo ${v.x}"]');
    expect(ran.end.status).toMatch(
      /^formula\.attribute: task\.yml:5:3: "\$\{v\.x\}": there is no attribute "x", it is no map/,
    );
  });

  test('once it is aborted the running command gets SIGTERM and no action follows', async () => {
    const controller = new AbortController();
    const ran = await run(
      '- shell:\n    - ignorereturn: ["echo started >&2; exec sleep 60"]\n- shell: echo never',
      '',
      {},
      {},
      { controller, abortOn: '+ echo started' },
    );
    expect(ran.end).toMatchObject({ exitCode: 1, status: 'task.aborted: ended by a test' });
    expect(ran.said).toContain('was ended by SIGTERM');
    expect(ran.stdout).toBe('');
  });
});

const RESULT = { item: 'xchat-1', type: 'koji_build' };

function input(more: Partial<TaskInput> = {}): TaskInput {
  return {
    item: 'xchat-1',
    itemType: 'koji_build',
    arch: 'x86_64',
    jobid: '-1',
    uuid: 'u1',
    taskdir: join(root, 'task'),
    workdir: join(root, 'work'),
    artifactsdir: join(root, 'artifacts'),
    ...more,
  };
}

interface Ran {
  end: TaskEnd;
  stdout: string;
  stderr: string;
  said: string;
  printed: string;
  artifact: (name: string) => string;
  taskFiles: () => string[];
}

/** Runs a formula of these actions, with `source` as its t.py. */
async function run(
  actions: string,
  source = '',
  env: Record<string, string> = {},
  more: Partial<TaskInput> = {},
  abort?: { controller: AbortController; abortOn: string },
): Promise<Ran> {
  writeTask('t.py', source);
  const given = input(more);
  const formula = parseFormula(`name: n\nactions:\n${actions}`, {
    file: 'task.yml',
    directives: DIRECTIVES,
    given: Object.keys(builtInVariables(given)),
  });
  const [out, err] = ['stdout', 'stderr'].map((name) => openSync(join(root, name), 'w'));
  const said: string[] = [];
  const printed: string[] = [];
  const signal = abort?.controller.signal;
  try {
    const end = await runFormula(formula, given, {
      clock: systemClock,
      processes: makeProcesses({ stdout: out!, stderr: err!, ...(signal ? { signal } : {}) }),
      directives: DIRECTIVES,
      env: {
        PATH: process.env['PATH']!,
        ...(actions.includes('env |') ? { ONLY: 'this' } : {}),
        ...env,
      },
      print: (text) => printed.push(text),
      tell(line, tone = 'plain') {
        said.push(tone === 'plain' ? line : `${tone}: ${line}`);
        if (abort && line.startsWith(abort.abortOn)) {
          setImmediate(() => abort.controller.abort('ended by a test'));
        }
      },
      ...(signal ? { signal } : {}),
    });
    return {
      end,
      stdout: readFileSync(join(root, 'stdout'), 'utf8'),
      stderr: readFileSync(join(root, 'stderr'), 'utf8'),
      said: said.join('\n'),
      printed: printed.join(''),
      artifact: (name) => readFileSync(join(given.artifactsdir, name), 'utf8'),
      taskFiles: () => readdirSync(given.taskdir).sort(),
    };
  } finally {
    for (const fd of [out!, err!]) closeSync(fd);
  }
}

function writeTask(name: string, text: string): void {
  mkdirSync(join(root, 'task'), { recursive: true });
  writeFileSync(join(root, 'task', name), text);
}
