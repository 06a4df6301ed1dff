/** Formulas: the YAML that says what a task needs and does, read and checked before it runs. */
import { z } from 'zod';
import { YardError, isYardError, quote } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { DirectiveTable } from './directives/directive.ts';
import {
  pathText,
  readDocument,
  shapeProblems,
  suggestion,
  throwProblems,
} from '../base/document.ts';
import type { Document, Path, Position, Problem } from '../base/document.ts';
import { isVariableName, placeholderError, placeholdersIn, substitute } from './variables.ts';
import type { Variables } from './variables.ts';

/** The names under which a task's directory may hold its formula, the best first. */
export const FORMULA_FILES = ['task.yml', 'runtask.yml'] as const;

export const FORMULA_BYTES_MAX = 2 ** 20;

export interface Formula {
  /** How errors name the text it was read from. */
  file: string;
  name: string;
  namespace?: string;
  desc?: string;
  maintainer?: string;
  /** What has to be given: a type of item, or another built-in variable. */
  inputs: string[];
  /** What the machine must have; the formula's own words. */
  environment: Record<string, unknown>;
  actions: Action[];
}

export interface Action {
  name?: string;
  directive: string;
  /** As written: variables are put in when its turn comes. */
  params: unknown;
  /** The variable that keeps what the directive returns. */
  export?: string;
  at: Position | undefined;
}

export interface FormulaOptions {
  file: string;
  directives: DirectiveTable;
  /** The variables there will be before the first action; absent: nothing is said about them. */
  given?: readonly string[];
}

const text = z.string().nullish();
const listOrText = z.union([z.array(z.string()), z.string()], {
  error: 'expected a list of names',
});

const header = z.strictObject({
  name: z.string().min(1),
  namespace: text,
  desc: text,
  maintainer: text,
  input: z.strictObject({ args: listOrText.nullish() }).nullish(),
  environment: z.record(z.string(), z.unknown()).nullish(),
  actions: z.array(z.unknown()).min(1, { error: 'there is nothing to do' }).optional(),
  task: z.array(z.unknown()).min(1, { error: 'there is nothing to do' }).optional(),
});

/** Reads a formula; throws with everything that is wrong about it at once. */
export function parseFormula(source: string, options: FormulaOptions): Formula {
  const { file } = options;
  const bytes = Buffer.byteLength(source);
  if (bytes > FORMULA_BYTES_MAX) {
    const limit = formatBytes(FORMULA_BYTES_MAX);
    throw new YardError('formula.too_large', `${file}: ${formatBytes(bytes)}, at most ${limit}`);
  }
  const document = readDocument(source, { file, prefix: 'formula' });
  const root = document.value;
  if (typeof root !== 'object' || root === null || Array.isArray(root)) {
    throw new YardError('formula.type', `${file}:1:1: a formula is a map`, {
      hint: 'with name and actions at least',
    });
  }
  const key = 'task' in root && !('actions' in root) ? 'task' : 'actions';
  const raw = (root as Record<string, unknown>)[key];
  const entries = Array.isArray(raw) ? (raw as unknown[]) : [];
  const inputs = declaredInputs((root as { input?: { args?: unknown } | null }).input?.args);
  const problems = [
    ...shapeProblems(document, { schema: header, prefix: 'formula' }),
    ...listProblems(root, document),
    ...entries.flatMap((_, index) => actionProblems(document, [key, index], options.directives)),
    ...(options.given ? inputProblems(inputs, options.given, document) : []),
    ...(options.given ? variableProblems(entries, options.given, [key], document) : []),
  ];
  throwProblems(problems, { file, prefix: 'formula' });
  return formulaOf(header.parse(root), { file, inputs, entries, key, document });
}

function listProblems(root: object, document: Document): Problem[] {
  const both = 'task' in root && 'actions' in root;
  const neither = !('task' in root) && !('actions' in root);
  if (!both && !neither) return [];
  const what = both
    ? 'both "actions" and "task" (its older name) are there'
    : 'actions: is missing';
  const at = both ? document.keyPositionOf(['task']) : document.positionOf([]);
  return [{ code: both ? 'formula.key' : 'formula.missing', at, what }];
}

function declaredInputs(args: unknown): string[] {
  if (typeof args === 'string') return args.split(/[\s,]+/).filter((name) => name !== '');
  return Array.isArray(args) ? args.filter((name) => typeof name === 'string') : [];
}

/** The keys of an action that are no directive. */
const ACTION_KEYS = ['name', 'export'];

function actionProblems(document: Document, path: Path, directives: DirectiveTable): Problem[] {
  const schema = z.looseObject({ name: text, export: z.string().optional() });
  const problems = shapeProblems(document, { schema, base: path, prefix: 'formula' });
  const action = entryAt(document, path);
  if (action === undefined) return problems;
  if (typeof action['export'] === 'string' && !isVariableName(action['export'])) {
    problems.push({
      code: 'formula.export',
      at: document.positionOf([...path, 'export']),
      what: `${pathText(path)}.export: ${quote(action['export'])} cannot be a variable`,
      hint: 'use letters, digits and _, and no digit first',
    });
  }
  const names = Object.keys(action).filter((key) => !ACTION_KEYS.includes(key));
  const known = names.filter((name) => Object.hasOwn(directives, name));
  for (const name of names.filter((other) => !known.includes(other))) {
    problems.push({
      code: 'formula.directive',
      at: document.keyPositionOf([...path, name]),
      what: `${pathText(path)}: unknown directive ${quote(name)}`,
      hint: suggestion(name, [...Object.keys(directives), ...ACTION_KEYS]),
    });
  }
  if (names.length === 0 || known.length > 1) {
    problems.push({
      code: 'formula.directive',
      at: document.positionOf(path),
      what: `${pathText(path)}: ${names.length === 0 ? 'no directive' : `${known.length} directives`}`,
      hint: 'an action has exactly one',
    });
  }
  for (const name of known) {
    const { params } = directives[name]!;
    const check = { schema: params, base: [...path, name], prefix: 'formula' };
    problems.push(...shapeProblems(document, { ...check, unknowable: holdsVariable }));
  }
  return problems;
}

function holdsVariable(value: unknown): boolean {
  return typeof value === 'string' && placeholdersIn(value).length > 0;
}

function entryAt(document: Document, [key, index]: Path): Record<string, unknown> | undefined {
  const list = (document.value as Record<string, unknown[]>)[key as string]!;
  const entry = list[index as number];
  const isMap = typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  return isMap ? (entry as Record<string, unknown>) : undefined;
}

function inputProblems(
  inputs: readonly string[],
  given: readonly string[],
  document: Document,
): Problem[] {
  return inputs
    .filter((name) => !given.includes(name))
    .map((name) => ({
      code: 'formula.input',
      at: document.positionOf(['input', 'args']),
      what: `the task needs ${quote(name)}, which is not given`,
      hint: `given: ${[...given].sort().join(', ')}; the item is given under its type, -t`,
    }));
}

/** Variables that no built-in and no earlier action provides. */
function variableProblems(
  entries: readonly unknown[],
  given: readonly string[],
  base: Path,
  document: Document,
): Problem[] {
  const known = new Set(given);
  return entries.flatMap((entry, index) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { export: exported, name: _, ...rest } = entry as Record<string, unknown>;
    const problems = placeholdersIn(rest, [...base, index])
      .filter(({ name }) => name === undefined || !known.has(name))
      .map((placeholder) => {
        const { code, what, hint } = placeholderError(placeholder, [...known]);
        const at = document.positionOf(placeholder.path);
        return { code, at, what: `${pathText(placeholder.path)}: ${what}`, hint };
      });
    if (typeof exported === 'string') known.add(exported);
    return problems;
  });
}

interface Checked {
  file: string;
  inputs: string[];
  entries: readonly unknown[];
  key: string;
  document: Document;
}

function formulaOf(head: z.infer<typeof header>, checked: Checked): Formula {
  const { file, inputs, entries, key, document } = checked;
  const { name, namespace, desc, maintainer, environment } = head;
  return {
    file,
    name,
    ...(namespace == null ? {} : { namespace }),
    ...(desc == null ? {} : { desc }),
    ...(maintainer == null ? {} : { maintainer }),
    inputs,
    environment: environment ?? {},
    actions: entries.map((entry, index): Action => {
      const { name: title, export: exported, ...rest } = entry as Record<string, unknown>;
      const [[directive, params]] = Object.entries(rest) as [[string, unknown]];
      return {
        ...(typeof title === 'string' ? { name: title } : {}),
        directive,
        params,
        ...(typeof exported === 'string' ? { export: exported } : {}),
        at: document.keyPositionOf([key, index, directive]),
      };
    }),
  };
}

/** The parameters of an action with its variables put in, checked; errors name the action's line. */
export function resolveParams(
  formula: Formula,
  action: Action,
  variables: Variables,
  directives: DirectiveTable,
): unknown {
  const { directive, at } = action;
  const place = at ? `${formula.file}:${at.line}:${at.column}` : formula.file;
  try {
    const params = substitute(action.params, variables);
    const { error, data } = directives[directive]!.params.safeParse(params);
    if (!error) return data;
    const faults = error.issues.map((issue) => {
      const path = [directive, ...issue.path.map(String)].join('.');
      return `${path}: ${issue.message.replace('Invalid input: ', '')}`;
    });
    throw new YardError('formula.type', faults.join('; '));
  } catch (error) {
    if (!isYardError(error)) throw error;
    const options = error.hint === undefined ? {} : { hint: error.hint };
    throw new YardError(error.code, `${place}: ${error.what}`, { ...options, cause: error });
  }
}
