/** `$name` in formulas: Python's string.Template, with native values and attributes. */
import { YardError, nearest, quote } from '../base/errors.ts';
import type { Path } from '../base/document.ts';
import { pythonText } from './python-text.ts';

export type Variables = Readonly<Record<string, unknown>>;

/** string.Template's pattern; only in braces may attributes follow the name. */
const PLACEHOLDER =
  /\$(?:(?<escaped>\$)|(?<named>[_a-z][_a-z0-9]*)|\{(?<braced>[_a-z][_a-z0-9]*(?:\.[_a-z][_a-z0-9]*)*)\}|(?<invalid>))/gi;

const NAME = /^[_a-z][_a-z0-9]*$/i;

/** Whether `$text` can refer to a variable of this name. */
export function isVariableName(text: string): boolean {
  return NAME.test(text);
}

/** One `$…` in a text: a variable, or a dollar sign that begins nothing (`name` is undefined). */
export interface Placeholder {
  path: Path;
  text: string;
  name: string | undefined;
}

/**
 * Puts values for variables, in lists, maps and their keys too. A text that is one variable and
 * nothing else becomes that variable's value as it is; elsewhere a value is written as Python's
 * `str` would. Whatever is not defined is an error.
 */
export function substitute(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') return substituteText(value, variables);
  if (Array.isArray(value)) return value.map((item) => substitute(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  const seen = new Set<string>();
  return Object.fromEntries(
    Object.entries(value).map(([rawKey, item]) => {
      const key = pythonText(substituteText(rawKey, variables));
      if (seen.has(key)) {
        throw new YardError(
          'formula.key',
          `two keys become ${quote(key)} once variables are put in`,
        );
      }
      seen.add(key);
      return [key, substitute(item, variables)];
    }),
  );
}

/** Every placeholder in a value and its keys, with the path of the text that holds it. */
export function placeholdersIn(value: unknown, path: Path = []): Placeholder[] {
  if (typeof value === 'string') {
    return [...value.matchAll(PLACEHOLDER)]
      .filter((match) => match.groups!['escaped'] === undefined)
      .map((match) => ({ path, text: sampleOf(value, match), name: nameOf(match)?.split('.')[0] }));
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => placeholdersIn(item, [...path, index]));
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [
    ...placeholdersIn(key, [...path, key]),
    ...placeholdersIn(item, [...path, key]),
  ]);
}

/** What is wrong with a placeholder that names nothing, as an error to throw or to collect. */
export function placeholderError(
  { text, name }: Omit<Placeholder, 'path'>,
  known: readonly string[],
): YardError {
  if (name === undefined) {
    return new YardError('formula.placeholder', `${quote(text)} is not a variable`, {
      hint: 'write $$ for a dollar sign',
    });
  }
  const near = nearest(name, known);
  const meant = near === undefined ? '' : `did you mean ${quote(near)}? `;
  return new YardError('formula.variable', `${quote(text)} is not defined`, {
    hint: `${meant}known: ${[...known].sort().join(', ')}; write $$ for a dollar sign`,
  });
}

function substituteText(text: string, variables: Variables): unknown {
  const matches = [...text.matchAll(PLACEHOLDER)];
  const [only] = matches;
  if (only && matches.length === 1 && only[0] === text && nameOf(only) !== undefined) {
    return lookUp(only, text, variables);
  }
  let result = '';
  let end = 0;
  for (const match of matches) {
    result += text.slice(end, match.index);
    const isEscape = match.groups!['escaped'] !== undefined;
    result += isEscape ? '$' : pythonText(lookUp(match, text, variables));
    end = match.index + match[0].length;
  }
  return result + text.slice(end);
}

function lookUp(match: RegExpExecArray, text: string, variables: Variables): unknown {
  const sample = sampleOf(text, match);
  const [name, ...attributes] = nameOf(match)?.split('.') ?? [];
  if (name === undefined || !Object.hasOwn(variables, name)) {
    throw placeholderError({ text: sample, name }, Object.keys(variables));
  }
  let value = variables[name];
  for (const attribute of attributes) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMap || !Object.hasOwn(value as object, attribute)) {
      const known = isMap ? `it has: ${Object.keys(value as object).join(', ')}` : 'it is no map';
      const what = `${quote(sample)}: there is no attribute ${quote(attribute)}`;
      throw new YardError('formula.attribute', what, { hint: known });
    }
    value = (value as Record<string, unknown>)[attribute];
  }
  return value;
}

function nameOf(match: RegExpExecArray): string | undefined {
  return match.groups!['named'] ?? match.groups!['braced'];
}

/** The placeholder as it is written; of a lone dollar sign, a little of what follows it. */
function sampleOf(text: string, match: RegExpExecArray): string {
  return nameOf(match) === undefined ? text.slice(match.index, match.index + 12) : match[0];
}
