/** Rules: which job data start which tasks. The file is a template first, and YAML then. */
import { z } from 'zod';
import { readDocument, shapeProblems, throwProblems, valueAt } from '../base/document.ts';
import type { Document, Path, Problem } from '../base/document.ts';
import type { JobData } from './job-triggers/job-trigger.ts';
import { OPERATORS, compileQuery, queryFaults } from './query.ts';
import type { Matches } from './query.ts';
import { fillTemplate, ruleText } from './template.ts';

export interface Rule {
  /** Its place in the file, from 1. */
  number: number;
  line: number;
  when: Record<string, unknown>;
  steps: Step[];
}

export interface Step {
  tasks: string[];
  /** Absent: every configured architecture. */
  arches?: string[];
  /** Whether the slave itself must be of that architecture. */
  matchHostArch?: boolean;
}

/** One run that a rule asks for. */
export interface RuleRequest {
  task: string;
  arch: string;
  item: string;
  item_type: string;
  match_host_arch?: boolean;
}

export interface Rules {
  readonly file: string;
  /** How many there are. */
  readonly count: number;
  /** Every task that they name, but for what only a message's values tell. */
  readonly tasks: readonly string[];
  /** Every rule that these job data match, in the order of the file. */
  match: (data: JobData) => Rule[];
}

export interface RulesOptions {
  file: string;
  /** Values for the template that do not come from messages, such as lists of packages. */
  settings?: Readonly<Record<string, unknown>>;
}

const step = z
  .strictObject({
    tasks: z.array(z.string().min(1)).min(1).optional(),
    discover: z.unknown().optional(),
    arches: z.array(z.string().min(1)).min(1).optional(),
    match_host_arch: z.boolean().optional(),
  })
  .refine((given) => (given.tasks === undefined) !== (given.discover === undefined), {
    error: 'give exactly one of tasks and discover',
  });

const rulesShape = z.array(
  z.strictObject({
    when: z.record(z.string(), z.unknown()),
    do: z.array(step).min(1, { error: 'there is nothing to do' }),
  }),
);

/** Reads rules, and throws with all that is wrong as far as it shows before values are put in. */
export function readRules(template: string, { file, settings = {} }: RulesOptions): Rules {
  let isConstant = true;
  const sample = fillTemplate(template, (name, isBraced) => {
    if (!isBraced && isOperator(name)) return undefined;
    isConstant = false;
    // Bare braces would not be YAML everywhere; a bare `$name` is, and may be an operator misspelt.
    return isBraced ? `${STAND_IN}${name}` : undefined;
  });
  const document = readDocument(sample, { file, prefix: 'rules' });
  throwProblems(problemsOf(document), { file, prefix: 'rules' });
  const constant = isConstant ? compile(document) : undefined;

  function rulesFor(data: JobData): CompiledRule[] {
    const text = fillTemplate(template, (name, isBraced) => {
      // A value that is called like an operator must not take its place.
      if (!isBraced && isOperator(name)) return undefined;
      return ruleText(name, Object.hasOwn(data, name) ? data[name] : valueAt(settings, [name]));
    });
    const filled = readDocument(text, { file, prefix: 'rules' });
    throwProblems(problemsOf(filled), { file, prefix: 'rules' });
    return compile(filled);
  }

  return {
    file,
    count: listIn(document.value).length,
    tasks: tasksIn(document),
    match: (data) =>
      (constant ?? rulesFor(data)).filter(({ matches }) => matches(data)).map(({ rule }) => rule),
  };
}

function listIn(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function tasksIn({ value }: Document): string[] {
  const steps = listIn(value).flatMap((rule) => listIn(valueAt(rule, ['do'])));
  const named = steps.flatMap((given) => listIn(valueAt(given, ['tasks'])));
  const known = named.filter((task) => typeof task === 'string' && !holdsVariable(task));
  return [...new Set(known as string[])];
}

/** Stands for the value of a variable while rules are checked without one. */
const STAND_IN = 'VARIABLE_';

function isOperator(name: string): boolean {
  return OPERATORS.includes(`$${name}`);
}

/** Whether some text in a value is, or holds, a variable whose value is not known yet. */
function holdsVariable(value: unknown): boolean {
  if (typeof value === 'string') return value.includes(STAND_IN) || /\$[_a-z]/i.test(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsVariable);
}

function problemsOf(document: Document): Problem[] {
  if (document.value === null) return [];
  const shape = { schema: rulesShape, prefix: 'rules', unknowable: holdsVariable };
  return [...shapeProblems(document, shape), ...ruleProblems(document)];
}

function ruleProblems(document: Document): Problem[] {
  return listIn(document.value).flatMap((_, index) => {
    const path: Path = [index, 'when'];
    const query = valueAt(document.value, path);
    const faults = query === undefined ? [] : queryFaults(query, path);
    const steps = valueAt(document.value, [index, 'do']);
    return [
      ...faults
        .filter((fault) => !holdsVariable(valueAt(document.value, fault.path)))
        .map(({ path: at, error }): Problem => {
          const { code, what, hint } = error;
          return { code, at: document.keyPositionOf(at), what, hint };
        }),
      ...(Array.isArray(steps) ? discoverProblems(steps, index, document) : []),
    ];
  });
}

function discoverProblems(steps: unknown[], index: number, document: Document): Problem[] {
  return steps.flatMap((entry, at) =>
    valueAt(entry, ['discover']) === undefined
      ? []
      : [
          {
            code: 'rules.discover',
            at: document.keyPositionOf([index, 'do', at, 'discover']),
            what: 'discover cannot be carried out yet',
            hint: 'name the tasks: {tasks: [...]}',
          },
        ],
  );
}

interface CompiledRule {
  rule: Rule;
  matches: Matches;
}

function compile(document: Document): CompiledRule[] {
  const shaped = rulesShape.parse(document.value ?? []);
  return shaped.map((given, index) => ({
    matches: compileQuery(given.when),
    rule: {
      number: index + 1,
      line: document.positionOf([index])?.line ?? 1,
      when: given.when,
      steps: given.do.map(({ tasks = [], arches, match_host_arch: host }) => ({
        tasks,
        ...(arches === undefined ? {} : { arches }),
        ...(host === undefined ? {} : { matchHostArch: host }),
      })),
    },
  }));
}

/** What a matched rule asks for: each task of each step, for each architecture. */
export function requestsOf(rule: Rule, data: JobData, arches: readonly string[]): RuleRequest[] {
  const { item, item_type } = data;
  return rule.steps.flatMap(({ tasks, arches: own, matchHostArch }) =>
    tasks.flatMap((task) =>
      (own ?? arches).map((arch) => ({
        task,
        arch,
        item,
        item_type,
        ...(matchHostArch === undefined ? {} : { match_host_arch: matchHostArch }),
      })),
    ),
  );
}
