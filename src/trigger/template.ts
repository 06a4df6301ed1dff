/** The template that a rules file is before it is YAML: Python's string.Template, the safe way. */
import { YardError, quote } from '../base/errors.ts';

const PLACEHOLDER =
  /\$(?:(?<escaped>\$)|(?<named>[_a-z][_a-z0-9]*)|\{(?<braced>[_a-z][_a-z0-9]*)\})/gi;

/**
 * Puts `valueOf(name)` for each `$name` and `${name}`, and one `$` for `$$`. A name without a value
 * stays as it is written, and so does a dollar sign that begins no name.
 */
export function fillTemplate(
  text: string,
  valueOf: (name: string, isBraced: boolean) => string | undefined,
): string {
  return text.replaceAll(PLACEHOLDER, (whole, ...rest) => {
    const { escaped, named, braced } = rest.at(-1) as Record<string, string | undefined>;
    if (escaped !== undefined) return '$';
    return valueOf((named ?? braced)!, braced !== undefined) ?? whole;
  });
}

/** Characters that mean nothing to YAML wherever they stand inside a word. */
const HARMLESS = /^[\p{L}\p{N}_/][\p{L}\p{N}_.+~@/=-]*(?::[\p{L}\p{N}_.+~@/=-]+)*$/u;

/**
 * Writes a value into rules: a list as a YAML flow list, any text bare. Values come from messages,
 * so one that YAML could take for more than a word is refused; it could rewrite the rules.
 */
export function ruleText(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return `[${value.map((item) => quotedScalar(name, item)).join(', ')}]`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string' && HARMLESS.test(value)) return value;
  throw unusable(name, value);
}

function quotedScalar(name: string, item: unknown): string {
  if (typeof item === 'string') return JSON.stringify(item);
  if (typeof item === 'number' || typeof item === 'boolean') return String(item);
  throw unusable(name, item);
}

function unusable(name: string, value: unknown): YardError {
  return new YardError('rules.value', `\${${name}} cannot be put into the rules: ${quote(value)}`, {
    hint: 'it would change what they mean',
  });
}
