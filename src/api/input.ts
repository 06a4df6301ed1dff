import type { z } from 'zod';
import { suggestion } from '../base/document.ts';
import { YardError, quote } from '../base/errors.ts';
import { runId } from '../protocol/run.ts';

/** Codes of their own, where a field has one (secops.md part 5, row Bundle). */
const CODES: Record<string, string> = {
  env: 'bundle.env',
  'formula.file': 'bundle.task_file',
  argv: 'bundle.argv',
  bundle: 'bundle.ref',
};

const PROBLEMS_MAX = 20;
const PROBLEM_LENGTH_MAX = 300;

/** A key that nobody reads would quietly be no qualifier at all. */
export function checkQuery(given: Iterable<string>, known: readonly string[]): void {
  for (const key of given) {
    if (known.includes(key)) continue;
    throw new YardError('input.invalid', `the query has an unknown key ${quote(key)}`, {
      hint: suggestion(key, known),
    });
  }
}

export interface Problem {
  path: string;
  message: string;
}

/** All that is wrong with an input, in one error: `input.invalid: path: what; path: what`. */
export function faultOf(error: z.ZodError): YardError {
  const all = problemsOf(error);
  const codes = new Set(all.map(({ path }) => codeOf(path)));
  const code = (codes.size === 1 ? codeOf(all[0]!.path) : undefined) ?? 'input.invalid';
  const texts = all.slice(0, PROBLEMS_MAX).map(({ path, message }) => {
    // The code names the field already.
    const place = CODES[path] === code ? '' : path;
    return place === '' ? message : `${place}: ${message}`;
  });
  if (all.length > PROBLEMS_MAX) texts.push(`and ${all.length - PROBLEMS_MAX} more`);
  return new YardError(code, texts.join('; '));
}

/** The problems by the place they are at, such as `runs.3.env`; strangers' text made safe. */
export function problemsOf(error: z.ZodError): Problem[] {
  return flatten(error.issues, []).map(({ path, message }) => ({
    path: safe(path),
    message: safe(message),
  }));
}

function codeOf(path: string): string | undefined {
  const field = path.replace(/^(runs\.)?\d+\./, '');
  return Object.entries(CODES).find(
    ([prefix]) => field === prefix || field.startsWith(`${prefix}.`),
  )?.[1];
}

function flatten(issues: readonly z.core.$ZodIssue[], prefix: readonly PropertyKey[]): Problem[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    // Of the branches of a union the one that got furthest says most.
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const branches = issue.errors.map((branch) => flatten(branch, path));
      return branches.sort((a, b) => depthOf(b) - depthOf(a))[0]!;
    }
    return [{ path: path.map(String).join('.'), message: issue.message }];
  });
}

function depthOf(found: readonly Problem[]): number {
  return Math.max(...found.map(({ path }) => (path === '' ? 0 : path.split('.').length)));
}

function safe(text: string): string {
  const cut = text.length <= PROBLEM_LENGTH_MAX ? text : `${text.slice(0, PROBLEM_LENGTH_MAX)}…`;
  return cut.replaceAll(
    // oxlint-disable-next-line no-control-regex -- these are what must not get through
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What a socket that tells of events is asked for; `input.invalid` where it cannot be read. */
export function followedOf(query: URLSearchParams): {
  since: number | undefined;
  run: string | undefined;
} {
  const since = query.get('since');
  const run = query.get('run');
  if (since !== null && !/^\d{1,15}$/.test(since)) {
    throw new YardError('input.invalid', 'since: the number of an event');
  }
  if (run !== null && !runId.safeParse(run).success) {
    throw new YardError('input.invalid', 'run: the id of a run');
  }
  return { since: since === null ? undefined : Number(since), run: run ?? undefined };
}
