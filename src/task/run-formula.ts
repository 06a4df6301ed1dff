/** Carries a formula out, action by action: the same with a master and without one. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { YardError, isYardError, messageOf, quote } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { CheckDetail } from './check-detail.ts';
import type { DirectiveContext, DirectiveTable, Tell } from './directives/directive.ts';
import { resolveParams } from './formula.ts';
import type { Action, Formula } from './formula.ts';
import type { Processes } from './processes.ts';
import { exportResults, importResults } from './result-yaml.ts';
import { formatTap } from './tap.ts';
import type { Variables } from './variables.ts';

/** Where a task leaves results by itself, and where all that were kept are written. */
export const RESULTS_FILE = 'results.yml';
export const TAP_FILE = 'results.tap';

/** What a task is run on, and where: what the master hands to the slave. */
export interface TaskInput {
  item: string;
  itemType: string;
  arch: string;
  jobid: string;
  uuid: string;
  /** Absolute paths. */
  taskdir: string;
  workdir: string;
  artifactsdir: string;
  /** What results get that name no check; absent: they must name one. */
  checkname?: string;
}

export interface TaskPorts {
  clock: Clock;
  processes: Processes;
  directives: DirectiveTable;
  /** The whole environment of the task's processes. */
  env: Readonly<Record<string, string>>;
  /** The task's standard output, for the TAP at the end. */
  print: (text: string) => void;
  tell: Tell;
  /** Whether to say what every action is given. */
  debug?: boolean;
  /** Ends the run at the next action; the processes port ends the one that is running. */
  signal?: AbortSignal;
}

/** How a task went; whether its results are good is another matter. */
export interface TaskEnd {
  executionStatus: 'OK' | 'NOT_OK';
  /** Why it is not OK. */
  status: string;
  exitCode: number;
  results: CheckDetail[];
}

/** The variables that every formula has, by the names that it knows them by. */
export function builtInVariables(input: TaskInput): Variables {
  const { item, itemType, arch, workdir, artifactsdir, jobid, uuid } = input;
  // A type that is called like a built-in variable must not hide it.
  return { [itemType]: item, item, arch, workdir, artifactsdir, jobid, uuid };
}

/**
 * Runs the actions in order; the first that fails ends the run. Whatever results were kept until
 * then are written to the artifacts directory as YAML and TAP.
 */
export async function runFormula(
  formula: Formula,
  input: TaskInput,
  ports: TaskPorts,
): Promise<TaskEnd> {
  const { tell } = ports;
  const paths = [RESULTS_FILE, TAP_FILE].map((name) => join(input.artifactsdir, name));
  for (const path of [input.artifactsdir, input.workdir]) await mkdir(path, { recursive: true });
  for (const path of paths) await rm(path, { force: true, recursive: true });

  const kept: CheckDetail[] = [];
  const exit = { code: 0 };
  let failure: YardError | undefined;
  tell(`${formula.name} on ${input.itemType} ${input.item}`);
  tell(`arch ${input.arch}, job ${input.jobid}, uuid ${input.uuid}`);
  try {
    await runActions(formula, input, ports, kept, exit);
  } catch (error) {
    failure = expected(error);
  }
  try {
    const results = await collectResults(kept, input);
    if (results.length > 0 || !failure) await writeResults(results, input, ports);
    return taskEnd(failure, exit.code, results);
  } catch (error) {
    return taskEnd(failure ?? expected(error), exit.code, kept);
  }

  function expected(error: unknown): YardError {
    if (!isYardError(error)) throw error;
    tell(error.message, 'error');
    return error;
  }
}

function taskEnd(failure: YardError | undefined, code: number, results: CheckDetail[]): TaskEnd {
  return {
    executionStatus: failure ? 'NOT_OK' : 'OK',
    status: failure?.message ?? '',
    exitCode: failure ? 1 : code,
    results,
  };
}

async function runActions(
  formula: Formula,
  input: TaskInput,
  ports: TaskPorts,
  kept: CheckDetail[],
  exit: { code: number },
): Promise<void> {
  const { clock, directives, tell, signal, debug = false } = ports;
  const context: DirectiveContext = {
    taskdir: input.taskdir,
    workdir: input.workdir,
    artifactsdir: input.artifactsdir,
    ...(input.checkname === undefined ? {} : { checkname: input.checkname }),
    env: ports.env,
    processes: ports.processes,
    tell,
    keepResults: (details) => void kept.push(...details),
    setExitCode: (code) => void (exit.code = code),
  };
  let variables = builtInVariables(input);
  for (const [index, action] of formula.actions.entries()) {
    if (signal?.aborted) throw new YardError('task.aborted', messageOf(signal.reason));
    const title = `[${index + 1}/${formula.actions.length}] ${titleOf(action)}`;
    tell(title);
    const startedAt = clock.now();
    const params = resolveParams(formula, action, variables, directives);
    if (debug) tell(`${action.directive} is given ${JSON.stringify(params)}`);
    const value = await directives[action.directive]!.run(params, context);
    tell(`${title} done in ${formatDuration(clock.now() - startedAt)}`);
    if (action.export !== undefined) variables = { ...variables, [action.export]: value };
  }
}

function titleOf({ name, directive }: Action): string {
  return name === undefined ? directive : `${directive}: ${name}`;
}

/** What was kept, after what the task itself left in the artifacts directory. */
async function collectResults(
  kept: readonly CheckDetail[],
  { artifactsdir }: TaskInput,
): Promise<CheckDetail[]> {
  const left = await readLeft(join(artifactsdir, RESULTS_FILE));
  if (left === undefined) return [...kept];
  const own = importResults(left, RESULTS_FILE);
  const textOf = (detail: CheckDetail) => exportResults([detail], () => {});
  const known = new Set(own.map(textOf));
  return [...own, ...kept.filter((detail) => !known.has(textOf(detail)))];
}

async function readLeft(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(path, error);
  }
}

/** The artifacts directory is the task's to spoil; what it did there is no fault of ours. */
function unusable(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  return new YardError('task.artifacts', `${quote(path)} cannot be used: ${code}`, {
    cause: error,
  });
}

async function writeResults(
  results: readonly CheckDetail[],
  { artifactsdir }: TaskInput,
  { tell, print }: TaskPorts,
): Promise<void> {
  const tap = formatTap(results);
  const yaml = exportResults(results, (text) => tell(text, 'warning'));
  for (const [name, text] of [
    [RESULTS_FILE, yaml],
    [TAP_FILE, tap],
  ] as const) {
    const path = join(artifactsdir, name);
    try {
      await writeFile(path, text);
    } catch (error) {
      throw unusable(path, error);
    }
  }
  print(tap);
}
