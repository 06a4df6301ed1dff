import { z } from 'zod';
import { YardError, quote } from '../../base/errors.ts';
import { endText, isSuccess } from '../processes.ts';
import { directive } from './directive.ts';
import type { DirectiveContext } from './directive.ts';

const command = z.string({ error: 'expected a command; put true, false and numbers in quotes' });
const commands = z.union([command, z.array(command).min(1)], {
  error: 'expected a command or a list of commands',
});
const item = z.union([command, z.strictObject({ ignorereturn: commands })], {
  error: 'expected a command, or ignorereturn with a list of commands',
});

/**
 * Runs commands one after the other, each by a shell of its own, in the work directory. One that
 * fails ends the task, unless it stands under `ignorereturn`.
 */
export const shell = directive({
  params: z.union([command, z.array(item).min(1)], { error: 'expected a list of commands' }),
  async run(params, context) {
    for (const entry of typeof params === 'string' ? [params] : params) {
      if (typeof entry === 'string') {
        await runCommand(entry, context, false);
        continue;
      }
      const tolerated = entry.ignorereturn;
      for (const line of typeof tolerated === 'string' ? [tolerated] : tolerated) {
        await runCommand(line, context, true);
      }
    }
  },
});

async function runCommand(line: string, context: DirectiveContext, tolerated: boolean) {
  const { processes, workdir, env, tell } = context;
  tell(`+ ${line}`);
  const { end } = await processes.run({ argv: ['/bin/sh', '-c', line], cwd: workdir, env });
  if (isSuccess(end)) return;
  if (tolerated) {
    tell(`${quote(line)} ${endText(end)}; ignored, as the formula says`, 'warning');
    return;
  }
  throw new YardError('task.shell', `${quote(line)} ${endText(end)}`, {
    hint: 'put it under ignorereturn if it may fail',
  });
}
