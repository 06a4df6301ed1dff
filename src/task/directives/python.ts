import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { YardError, quote } from '../../base/errors.ts';
import { suggestion } from '../../base/document.ts';
import { endText } from '../processes.ts';
import type { ProcessReport } from '../processes.ts';
import { directive } from './directive.ts';
import { PYTHON_DRIVER } from './python-driver.ts';

const driverAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('returned'), value: z.unknown() }),
  z.object({ kind: z.literal('raised'), error: z.string() }),
  z.object({ kind: z.literal('unusable'), error: z.string() }),
  z.object({ kind: z.literal('no_callable'), known: z.array(z.string()) }),
]);

/**
 * Calls a callable of a Python file that lies beside the formula; every other parameter is one of
 * its keyword arguments. What it returns can be exported: anything that JSON can say.
 */
export const python = directive({
  params: z.looseObject({ file: z.string(), callable: z.string() }),
  async run({ file, callable, ...kwargs }, { taskdir, workdir, env, processes }) {
    const path = resolve(taskdir, file);
    await requireFile(path, file);
    const report = await processes.run({
      argv: ['python3', '-u', '-B', '-c', PYTHON_DRIVER],
      cwd: workdir,
      env,
      input: JSON.stringify({ file: path, callable, kwargs }),
      answers: true,
    });
    return valueOf(report, file, callable);
  },
});

async function requireFile(path: string, file: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    throw new YardError('task.python_file', `${quote(file)} cannot be read: ${found.code}`, {
      hint: 'the path is relative to the formula',
      cause: found,
    });
  }
  if (!found.isFile()) throw new YardError('task.python_file', `${quote(file)} is not a file`);
}

function valueOf({ end, answer }: ProcessReport, file: string, callable: string): unknown {
  const call = `${callable} of ${quote(file)}`;
  if (end.kind === 'unstartable') {
    throw new YardError('task.python', `python3 ${endText(end)}`, {
      hint: 'install Python 3 or put it on PATH',
    });
  }
  if (answer === '') throw new YardError('task.python', `${call}: python3 ${endText(end)}`);
  const said = driverAnswer.parse(JSON.parse(answer));
  switch (said.kind) {
    case 'returned':
      return said.value;
    case 'raised':
      throw new YardError('task.python', `${call} raised ${quote(said.error)}`);
    case 'unusable':
      throw new YardError('task.python_value', `${call} returned what JSON cannot say`, {
        hint: said.error,
      });
    case 'no_callable':
      throw new YardError(
        'task.python_callable',
        `${quote(file)} has no callable ${quote(callable)}`,
        {
          hint: suggestion(callable, said.known),
        },
      );
  }
}
