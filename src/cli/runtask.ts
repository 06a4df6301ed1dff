#!/usr/bin/env node
/** `runtask`: performs one task here and now, with no master; slaves start this same program. */
import { realpathSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { systemClock } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError, exitCodeOf, isYardError, messageOf, quote } from '../base/errors.ts';
import type { Tell, Tone } from '../task/directives/directive.ts';
import { DIRECTIVES } from '../task/directives/table.ts';
import { parseFormula } from '../task/formula.ts';
import { makeProcesses } from '../task/processes.ts';
import { builtInVariables, runFormula } from '../task/run-formula.ts';
import type { TaskInput } from '../task/run-formula.ts';
import { readTaskFile } from '../task/task-file.ts';

/** What the program needs of the process that it is. */
export interface RuntaskHost {
  env: Readonly<Record<string, string>>;
  cwd: string;
  clock: Clock;
  print: (text: string) => void;
  printError: (text: string) => void;
  /** Whether people read the errors on a terminal. */
  isTerminal: boolean;
  /** Where the task's own output goes. */
  stdout: number | 'inherit';
  stderr: number | 'inherit';
  signal: AbortSignal;
}

interface Flags {
  type: string;
  item: string;
  arch: string;
  jobid: string;
  uuid?: string;
  debug?: true;
  artifactsdir?: string;
  workdir?: string;
}

const HELP = `
Directories:
  --artifactsdir  $RUNYARD_ARTIFACTS_DIR, or else ./artifacts/UUID, which must not be there yet
  --workdir       where commands run: on a slave (RUNYARD_ARTIFACTS_DIR is set) this directory,
                  or else a fresh one that is removed at the end (kept with --debug)

Exit status:
  0    every action succeeded
  1    an action failed: the task went wrong, whatever it found
  64   wrong flags or arguments
  65   the formula cannot be found, read or used: nothing was run
  100  the task's exitcode action says that the results are bad
  130, 143  interrupted, terminated

Examples:
  runtask -t koji_build -i xchat-2.8.8-21.fc20 -a x86_64 task.yml
  runtask -t compose -i https://example.org/compose/disk.qcow2 examples/tasks/upstream-atomic
  runtask -t git_commit -i 1a2b3c4 --artifactsdir out . && prove --exec cat out/results.tap`;

/** Runs the program with these arguments; resolves with its exit status. */
export async function runtask(argv: readonly string[], host: RuntaskHost): Promise<number> {
  const tell = makeTell(host);
  try {
    const [named, flags] = readArguments(argv, host);
    return await perform(named, flags, host, tell);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (!isYardError(error)) throw error;
    tell(error.message, 'error');
    return exitCodeOf(error.code);
  }
}

function readArguments(argv: readonly string[], host: RuntaskHost): [string, Flags] {
  const command = new Command('runtask')
    .description('Runs the actions of a formula on an item. No master is needed.')
    .argument('<task>', 'a formula, or a directory that holds task.yml or runtask.yml')
    .requiredOption('-t, --type <type>', 'type of the item: koji_build, compose, any word')
    .requiredOption('-i, --item <item>', 'what to run the task on')
    .option('-a, --arch <arch>', 'architecture to run it for', 'noarch')
    .option('-j, --jobid <id>', 'id of the job this belongs to', '-1')
    .option('--uuid <uuid>', 'name of this run (default: the time, UTC)')
    .option('-d, --debug', 'say what every action is given, and keep the work directory')
    .option('--artifactsdir <dir>', 'where results and artifacts are kept')
    .option('--workdir <dir>', 'where commands run')
    .addHelpText('after', HELP)
    .showHelpAfterError('Try runtask --help.')
    .exitOverride()
    .configureOutput({ writeOut: host.print, writeErr: host.printError });
  command.parse(argv, { from: 'user' });
  return [command.args[0]!, command.opts<Flags>()];
}

async function perform(
  named: string,
  flags: Flags,
  host: RuntaskHost,
  tell: Tell,
): Promise<number> {
  const { cwd, env, clock, signal } = host;
  const { file, taskdir, text } = await readTaskFile(named, cwd);
  const uuid = flags.uuid ?? timestamp(clock.wall());
  const inputs = { item: flags.item, itemType: flags.type, arch: flags.arch };
  const input: TaskInput = {
    ...inputs,
    jobid: flags.jobid,
    uuid,
    taskdir,
    workdir: '',
    artifactsdir: '',
  };
  const given = Object.keys(builtInVariables(input));
  const formula = parseFormula(text, { file, directives: DIRECTIVES, given });

  input.artifactsdir = await makeArtifactsDir(flags, uuid, host);
  const scratch = await makeWorkDir(flags, host);
  input.workdir = scratch.path;
  try {
    const processes = makeProcesses({ stdout: host.stdout, stderr: host.stderr, signal });
    const ports = {
      clock,
      processes,
      directives: DIRECTIVES,
      env,
      print: host.print,
      tell,
      signal,
    };
    const { exitCode, executionStatus } = await runFormula(formula, input, {
      ...ports,
      ...(flags.debug ? { debug: true } : {}),
    });
    tell(`${executionStatus}, artifacts in ${input.artifactsdir}`);
    return exitCode;
  } finally {
    await scratch.remove(tell);
  }
}

async function makeArtifactsDir(flags: Flags, uuid: string, { env, cwd }: RuntaskHost) {
  const named = flags.artifactsdir ?? env['RUNYARD_ARTIFACTS_DIR'];
  const path = resolve(cwd, named ?? join('artifacts', uuid));
  return attempt(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    // Nobody named it: one that is there already belongs to another run of the same uuid.
    await mkdir(path, { recursive: named !== undefined });
    return path;
  });
}

async function makeWorkDir(flags: Flags, { env, cwd }: RuntaskHost) {
  const named = flags.workdir ?? (env['RUNYARD_ARTIFACTS_DIR'] === undefined ? undefined : '.');
  if (named !== undefined) {
    const path = resolve(cwd, named);
    await attempt(path, () => mkdir(path, { recursive: true }));
    return { path, remove: keep };
  }
  const path = await mkdtemp(join(tmpdir(), 'runtask-'));
  return { path, remove: flags.debug ? keep : (tell: Tell) => removeTree(path, tell) };
}

async function keep(): Promise<void> {}

async function removeTree(path: string, tell: Tell): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    // What a task has locked away cannot be removed; that makes its results no worse.
    tell(`${quote(path)} could not be removed: ${messageOf(error)}`, 'warning');
  }
}

async function attempt<T>(path: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const hint = code === 'EEXIST' ? 'another run has this uuid: give another' : 'name another';
    throw new YardError('input.directory', `${quote(path)} cannot be made: ${code}`, {
      hint,
      cause: error,
    });
  }
}

/** `20261121_042500_123`, as Taskotron named runs that nobody named. */
function timestamp(wallMs: number): string {
  const [day, time] = new Date(wallMs).toISOString().replaceAll(/[-:Z]/g, '').split('T');
  return `${day}_${time!.replace('.', '_')}`;
}

const COLOURS: Record<Tone, string> = { plain: '2', warning: '33', error: '31' };

function makeTell({ printError, isTerminal, env }: RuntaskHost): Tell {
  const hasColour = isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return (line, tone = 'plain') => {
    const label = tone === 'plain' ? '' : `${tone}: `;
    const text = `runtask: ${label}${line}`;
    printError(hasColour ? `\u001b[${COLOURS[tone]}m${text}\u001b[0m\n` : `${text}\n`);
  };
}

async function main(): Promise<void> {
  const controller = new AbortController();
  let signalled = 0;
  const stop = (name: 'SIGINT' | 'SIGTERM', number: number) => {
    process.once(name, () => {
      signalled = 128 + number;
      controller.abort(`ended by ${name}`);
    });
  };
  stop('SIGINT', 2);
  stop('SIGTERM', 15);
  const env = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const code = await runtask(process.argv.slice(2), {
    env: Object.fromEntries(env),
    cwd: process.cwd(),
    clock: systemClock,
    print: (text) => void process.stdout.write(text),
    printError: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY,
    stdout: 'inherit',
    stderr: 'inherit',
    signal: controller.signal,
  });
  process.exitCode = signalled || code;
}

const invoked = process.argv[1];
if (invoked !== undefined && realpathSync(invoked) === fileURLToPath(import.meta.url)) await main();
