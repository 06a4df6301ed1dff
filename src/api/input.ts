import { z } from 'zod';
import { YardError } from '../base/errors.ts';

/** Codes of their own, where a field has one (secops.md part 5, row Bundle). */
const CODES: [RegExp, string][] = [
  [/^(\d+\.)?env\b/, 'bundle.env'],
  [/^(\d+\.)?formula\.file\b/, 'bundle.task_file'],
  [/^(\d+\.)?argv\b/, 'bundle.argv'],
  [/^(\d+\.)?bundle\b/, 'bundle.ref'],
];

const PROBLEMS_MAX = 20;

/** All that is wrong with an input, in one error: `input.invalid: path: what; path: what`. */
export function faultOf(error: z.ZodError): YardError {
  const problems = flatten(error.issues).slice(0, PROBLEMS_MAX);
  const text = problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const code = CODES.find(([pattern]) => pattern.test(problems[0]?.path ?? ''))?.[1];
  return new YardError(code ?? 'input.invalid', text.join('; ').slice(0, 2000));
}

function flatten(
  issues: readonly z.core.$ZodIssue[],
  prefix: readonly PropertyKey[] = [],
): { path: string; message: string }[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    // Of the branches of a union the one that got furthest says most.
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const branches = issue.errors.map((branch) => flatten(branch, path));
      const depth = (found: { path: string }[]) =>
        Math.max(...found.map(({ path: text }) => (text === '' ? 0 : text.split('.').length)));
      return branches.sort((a, b) => depth(b) - depth(a))[0]!;
    }
    return [{ path: path.map(String).join('.'), message: issue.message }];
  });
}
