import { readFile, realpath } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { YardError, quote } from '../../base/errors.ts';
import type { CheckDetail } from '../check-detail.ts';
import { exportResults, importResults } from '../result-yaml.ts';
import { directive } from './directive.ts';
import type { DirectiveContext } from './directive.ts';

/**
 * Checks results and keeps them as the task's. Nothing is sent from here: the slave reports what
 * was kept. Returns the results as they are kept.
 */
export const resultsdb = directive({
  params: z
    .strictObject({ results: z.unknown().optional(), file: z.string().optional() })
    .refine((params) => Object.keys(params).length === 1, {
      error: 'give exactly one of results and file',
    }),
  async run({ results, file }, context) {
    const given = file === undefined ? results : await readResults(resolve(context.workdir, file));
    const imported = importResults(given, file === undefined ? 'results' : quote(file));
    const details: CheckDetail[] = [];
    for (const [index, detail] of imported.entries()) {
      details.push(await accept(detail, index, context));
    }
    context.keepResults(details);
    const count = details.length === 1 ? '1 result' : `${details.length} results`;
    context.tell(`${count} kept for results.yml; nothing is sent from here`);
    return exportResults(details, (text) => context.tell(text, 'warning'));
  },
});

async function readResults(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new YardError('task.results.file', `${quote(path)} cannot be read: ${code}`, {
      cause: error,
    });
  }
}

/** What the system says of a path that leads nowhere, or that is none. */
const NO_SUCH_PATH: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ENAMETOOLONG',
  'ELOOP',
  'ERR_INVALID_ARG_VALUE',
]);

/** The result as it may be kept: complete, and with an artifact only if that is there. */
async function accept(
  detail: CheckDetail,
  index: number,
  { artifactsdir, checkname, tell }: DirectiveContext,
): Promise<CheckDetail> {
  const complete = checkname === undefined ? detail : { checkname, ...detail };
  for (const key of ['item', 'type', 'checkname'] as const) {
    if (complete[key]) continue;
    throw new YardError('task.results.missing', `results[${index}]: ${key} is missing`, {
      hint: 'a result needs item, type and checkname',
    });
  }
  const { artifact, ...rest } = complete;
  if (artifact === undefined || (await isInside(artifactsdir, artifact))) return complete;
  const why = 'does not exist inside the artifacts directory, ignored';
  tell(`results[${index}]: artifact ${quote(artifact)} ${why}`, 'warning');
  return rest;
}

async function isInside(root: string, path: string): Promise<boolean> {
  try {
    const target = await realpath(resolve(root, path));
    const way = relative(await realpath(root), target);
    return way !== '..' && !way.startsWith(`..${sep}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (NO_SUCH_PATH.has(code)) return false;
    throw error;
  }
}
