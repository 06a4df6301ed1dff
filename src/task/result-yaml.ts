/** Results as text: the YAML that tasks hand over and that is kept beside their artifacts. */
import { stringify } from 'yaml';
import { z } from 'zod';
import { YardError, quote } from '../base/errors.ts';
import { OUTCOMES, checkDetail } from './check-detail.ts';
import type { CheckDetail } from './check-detail.ts';
import {
  plainDocument,
  readDocument,
  shapeProblems,
  suggestion,
  throwProblems,
} from '../base/document.ts';
import type { Document, Source } from '../base/document.ts';

/** Keys that say something about a result themselves, so that no key of the task's may. */
export const RESERVED_KEYS = [
  'item',
  'type',
  'outcome',
  'note',
  'results',
  'checkname',
  'artifact',
  '_internal',
] as const;

/** The most of a results document that is read. */
const RESULTS_BYTES_MAX = 16 * 2 ** 20;

const text = z.string().nullish();

const resultShape = z.looseObject({
  item: z.string(),
  type: text,
  outcome: z
    .enum(OUTCOMES, {
      error: ({ input }) =>
        `${quote(input)} is not an outcome, ${suggestion(String(input), OUTCOMES)}`,
    })
    .nullish(),
  note: text,
  checkname: text,
  artifact: text,
  _internal: z.record(z.string(), z.unknown()).nullish(),
});

type ResultShape = z.infer<typeof resultShape>;

const resultsShape = z.looseObject({ results: z.array(resultShape).nullable() });

/** Writes results; a key of the task's own that is reserved is left out, and `warn` hears of it. */
export function exportResults(
  details: readonly CheckDetail[],
  warn: (text: string) => void,
): string {
  const results = details.map((detail) => plainResult(detail, warn));
  // Python's readers are of YAML 1.1: `yes` and `1:30` must be quoted for them.
  return stringify({ results }, { compat: 'yaml-1.1', lineWidth: 0 });
}

function plainResult(detail: CheckDetail, warn: (text: string) => void): Record<string, unknown> {
  const { item, type, outcome, note, output, keyvals, checkname, artifact, internal } = detail;
  const result: Record<string, unknown> = { item };
  if (type !== undefined) result['type'] = type;
  if (checkname !== undefined) result['checkname'] = checkname;
  result['outcome'] = outcome;
  if (note !== undefined) result['note'] = note;
  if (artifact !== undefined) result['artifact'] = artifact;
  if (output.length > 0) result['output'] = output;
  const taken: string[] = output.length > 0 ? [...RESERVED_KEYS, 'output'] : [...RESERVED_KEYS];
  const own = Object.entries(keyvals).filter(([key]) => {
    if (taken.includes(key))
      warn(`result of ${quote(item)}: key ${quote(key)} is reserved, dropped`);
    return !taken.includes(key);
  });
  return {
    ...result,
    ...Object.fromEntries(own),
    ...(internal === undefined ? {} : { _internal: internal }),
  };
}

/**
 * Reads results from YAML text, or from data in the same shape. Nothing at all is an error; a list
 * that is empty or null holds no results.
 */
export function importResults(given: unknown, name: string): CheckDetail[] {
  const source: Source = { file: name, prefix: 'task.results' };
  const document = typeof given === 'string' ? readText(given, source) : plainDocument(given);
  const list = listOf(document, name);
  const shape = { schema: resultsShape, prefix: source.prefix };
  throwProblems(shapeProblems(document, shape), source);
  return list.map((result) => detailOf(result as ResultShape));
}

function readText(given: string, source: Source): Document {
  if (Buffer.byteLength(given) > RESULTS_BYTES_MAX) {
    throw new YardError('task.results.too_large', `${source.file} is larger than 16 MiB`);
  }
  return readDocument(given, source);
}

function listOf({ value }: Document, name: string): unknown[] {
  const hint = 'write "results:" and under it a list with an item and an outcome each';
  if (value === null || value === undefined) {
    throw new YardError('task.results.missing', `${name} holds nothing`, { hint });
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new YardError('task.results.type', `${name} is not a map`, { hint });
  }
  if (!Object.hasOwn(value, 'results')) {
    throw new YardError('task.results.missing', `${name} has no "results"`, { hint });
  }
  const { results } = value as { results: unknown };
  if (results === null) return [];
  if (Array.isArray(results)) return results as unknown[];
  throw new YardError('task.results.type', `"results" in ${name} is not a list`, { hint });
}

function detailOf(result: ResultShape): CheckDetail {
  const { item, type, outcome, note, checkname, artifact, _internal, ...rest } = result;
  const { output, ...others } = rest as { output?: unknown };
  const lines = linesOf(output);
  const keyvals: Record<string, unknown> = lines === undefined ? rest : others;
  return checkDetail({
    item,
    ...(type == null ? {} : { type }),
    ...(outcome == null ? {} : { outcome }),
    ...(note == null ? {} : { note }),
    ...(checkname == null ? {} : { checkname }),
    ...(artifact == null ? {} : { artifact }),
    ...(_internal == null ? {} : { internal: _internal }),
    ...(lines === undefined ? {} : { output: lines }),
    keyvals,
  });
}

function linesOf(output: unknown): string[] | undefined {
  if (typeof output === 'string') return [output];
  const isLines = Array.isArray(output) && output.every((line) => typeof line === 'string');
  return isLines ? output : undefined;
}
