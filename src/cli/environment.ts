/** Every flag can also be given as `RUNYARD_<FLAG>`; the command line wins. */
import { InvalidArgumentError } from 'commander';
import type { Command, Option } from 'commander';
import { truth } from './flags.ts';

/** Inside a task the others describe the task: RUNYARD_ARCH is its slave's, not a wish. */
const INSIDE_A_TASK = ['server', 'token-file', 'output'];

export function variableOf(option: Option): string {
  const flag = (option.long ?? '').replace(/^--(?:no-)?/, '');
  return `RUNYARD_${flag.replaceAll('-', '_').toUpperCase()}`;
}

/** Fills in what the command line left open, for a command and those above it. */
export function applyEnvironment(command: Command, env: Readonly<Record<string, string>>): void {
  const isTask = env['RUNYARD_ATTEMPT'] !== undefined;
  for (let at: Command | null = command; at; at = at.parent) {
    for (const option of at.options) {
      const text = env[variableOf(option)];
      if (text === undefined || option.negate || option.long === '--version') continue;
      if (isTask && !INSIDE_A_TASK.includes(option.name())) continue;
      const source = at.getOptionValueSource(option.attributeName());
      if (source !== undefined && source !== 'default') continue;
      at.setOptionValueWithSource(option.attributeName(), read(command, option, text), 'env');
    }
  }
}

function read(command: Command, option: Option, text: string): unknown {
  try {
    if (option.isBoolean()) return truth(text) || undefined;
    return option.parseArg ? option.parseArg(text, undefined as never) : text;
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const what = `error: variable ${variableOf(option)}: '${text}' is invalid. ${error.message}`;
    return command.error(what, { exitCode: 64 });
  }
}
