/**
 * YAML that people write, read so that every fault can be named with its line: a document that
 * remembers where each value stands, and the checks of a shape against it.
 */
import { isCollection, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document as YamlDocument, YAMLError } from 'yaml';
import { z } from 'zod';
import { YardError, nearest, quote } from './errors.ts';

export type Path = readonly (string | number)[];

export interface Position {
  line: number;
  column: number;
}

export interface Problem {
  code: string;
  /** Absent when the document never was text. */
  at?: Position | undefined;
  what: string;
  hint?: string | undefined;
}

export interface Document {
  /** What the text says, as plain data. */
  readonly value: unknown;
  /** Where the value at `path` begins; where it is absent, its nearest parent that is there. */
  positionOf: (path: Path) => Position | undefined;
  /** Where the last step of `path` is written as a key. */
  keyPositionOf: (path: Path) => Position | undefined;
}

export interface Source {
  /** How errors name the text. */
  file: string;
  /** The first part of the codes of its errors: `formula`, `rules`. */
  prefix: string;
}

/** Reads one YAML document; throws with all faults of its syntax at once. */
export function readDocument(text: string, source: Source): Document {
  const lines = new LineCounter();
  try {
    const parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    // The reader turns a stack that overflows into a fault like any other.
    if (parsed.errors.some(({ message }) => message.startsWith('Maximum call stack'))) {
      throw new RangeError('too deep to be parsed');
    }
    const faults = [...parsed.errors, ...parsed.warnings].filter(isNoConsequence).map((fault) => ({
      code: `${source.prefix}.yaml`,
      at: positionAt(lines, fault.pos[0]),
      what: fault.message,
      hint: text.startsWith('${', fault.pos[0] - 1) ? 'put ${...} in quotes here' : undefined,
    }));
    throwProblems(faults, source);
    const value: unknown = parsed.toJS();
    if (depthOf(value) > DEPTH_MAX) throw new RangeError(`deeper than ${DEPTH_MAX}`);
    return locate(parsed, value, lines);
  } catch (error) {
    if (error instanceof YardError) throw error;
    // A stack that overflows, or an alias that multiplies, is the text's fault.
    if (!(error instanceof RangeError || error instanceof ReferenceError)) throw error;
    const what = 'is nested too deeply or repeats itself too often to be read';
    throw new YardError(`${source.prefix}.yaml`, `${source.file} ${what}`, { cause: error });
  }
}

/** Once one piece was in the wrong place, those after it seem to be too. */
function isNoConsequence(fault: YAMLError, index: number, all: readonly YAMLError[]): boolean {
  if (fault.code !== 'UNEXPECTED_TOKEN') return true;
  return all.findIndex(({ code }) => code === 'UNEXPECTED_TOKEN') === index;
}

/** How deep a document may be nested: everything that walks it recurses. */
const DEPTH_MAX = 100;

function depthOf(value: unknown): number {
  let level = [value];
  let depth = 0;
  for (; level.length > 0; depth++) {
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    );
    if (depth > DEPTH_MAX) break;
  }
  return depth;
}

/** Data that never was text, for the same checks. */
export function plainDocument(value: unknown): Document {
  return { value, positionOf: () => undefined, keyPositionOf: () => undefined };
}

function locate(parsed: YamlDocument, value: unknown, lines: LineCounter): Document {
  function positionOf(path: Path): Position | undefined {
    for (let length = path.length; length >= 0; length--) {
      const node = length === 0 ? parsed.contents : nodeAt(parsed, path.slice(0, length));
      if (isNode(node) && node.range) return positionAt(lines, node.range[0]);
    }
    return { line: 1, column: 1 };
  }
  return {
    value,
    positionOf,
    keyPositionOf(path) {
      const parent = path.length > 1 ? nodeAt(parsed, path.slice(0, -1)) : parsed.contents;
      const pair = isMap(parent)
        ? parent.items.find(({ key }) => String(isScalar(key) ? key.value : key) === path.at(-1))
        : undefined;
      const range = isNode(pair?.key) ? pair.key.range : undefined;
      return range ? positionAt(lines, range[0]) : positionOf(path);
    },
  };
}

function nodeAt(parsed: YamlDocument, path: Path): unknown {
  return isCollection(parsed.contents) ? parsed.contents.getIn(path, true) : undefined;
}

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Throws one error that names every problem, in the order of the text; none: returns. */
export function throwProblems(problems: readonly Problem[], { file, prefix }: Source): void {
  const [first, ...more] = [...problems].sort(byPosition);
  if (!first) return;
  if (more.length === 0) {
    const options = first.hint === undefined ? {} : { hint: first.hint };
    throw new YardError(first.code, `${placeOf(file, first)}: ${first.what}`, options);
  }
  const count = more.length + 1;
  const lines = [first, ...more].slice(0, PROBLEMS_MAX).map((problem) => {
    const hint = problem.hint === undefined ? '' : `, ${problem.hint}`;
    return `\n  ${placeOf(file, problem)}: ${problem.code}: ${problem.what}${hint}`;
  });
  if (count > lines.length) lines.push(`\n  and ${count - lines.length} more`);
  throw new YardError(`${prefix}.invalid`, `${count} problems${lines.join('')}`);
}

/** The most problems that one error lists. */
const PROBLEMS_MAX = 25;

function placeOf(file: string, { at }: Problem): string {
  return at ? `${file}:${at.line}:${at.column}` : file;
}

function byPosition(a: Problem, b: Problem): number {
  return (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0);
}

export interface ShapeCheck {
  schema: z.ZodType;
  /** The part of the document to check: the value at `base`. */
  base?: Path;
  prefix: string;
  /** True for a value that is not known yet: what is wrong about it is not said. */
  unknowable?: (value: unknown) => boolean;
}

/** Everything about the document that does not fit the schema. */
export function shapeProblems(document: Document, check: ShapeCheck): Problem[] {
  const { base = [], prefix, schema, unknowable = () => false } = check;
  const value = valueAt(document.value, base);
  const { error } = schema.safeParse(value);
  return (error?.issues ?? []).flatMap((issue): Problem[] => {
    const inner = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    const path = [...base, ...inner];
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, inner);
      const keys = issue.keys.filter((key) => !unknowable(key));
      return keys.map((key) => unknownKey(document, { path: [...path, key], known, prefix }));
    }
    const found = valueAt(value, inner);
    if (unknowable(found)) return [];
    const where = path.length === 0 ? '' : `${pathText(path)}: `;
    const missing = found === undefined && inner.length > 0;
    return [
      {
        code: `${prefix}.${missing ? 'missing' : 'type'}`,
        at: document.positionOf(path),
        what: `${where}${missing ? 'is missing' : issue.message.replace('Invalid input: ', '')}`,
      },
    ];
  });
}

interface UnknownKey {
  path: Path;
  known: readonly string[];
  prefix: string;
}

/** The problem of a key that nothing reads, with the one that was probably meant. */
export function unknownKey(document: Document, { path, known, prefix }: UnknownKey): Problem {
  const key = String(path.at(-1));
  return {
    code: `${prefix}.key`,
    at: document.keyPositionOf(path),
    what: `${pathText(path.slice(0, -1), '')}unknown key ${quote(key)}`,
    hint: suggestion(key, known),
  };
}

/** `did you mean "x"?`, or what there is to choose from. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `did you mean ${quote(near)}?`;
  return known.length === 0 ? 'nothing is expected here' : `known: ${known.join(', ')}`;
}

/** Writes `actions[2].python.file`; with `end`, that text after it and a colon. */
export function pathText(path: Path, end?: string): string {
  const text = path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
  if (text === '') return end ?? '';
  return end === undefined ? text : `${text}: ${end}`;
}

/** The value at `path` in plain data; undefined where there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, step)
        ? (at as Record<string | number, unknown>)[step]
        : undefined,
    value,
  );
}

/** The keys that a schema knows at `path`, as far as it is made of objects, lists and records. */
function keysAt(schema: unknown, path: Path): string[] {
  let at = schema;
  for (const step of path) at = stepInto(unwrapped(at), step);
  const found = unwrapped(at);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
}

function stepInto(schema: unknown, step: string | number): unknown {
  if (schema instanceof z.ZodObject) return (schema.shape as Record<string, unknown>)[step];
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}

function unwrapped(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodNullable || at instanceof z.ZodDefault) {
    at = at.unwrap();
  }
  return at;
}
