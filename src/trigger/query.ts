/** The queries of rules: mongoquery's operators, exactly, carried out by mingo. */
import { Query } from 'mingo';
import { YardError, quote } from '../base/errors.ts';
import { pathText, suggestion } from '../base/document.ts';
import type { Path } from '../base/document.ts';
import { pythonRegex } from './python-regex.ts';

const LISTS = ['$in', '$nin', '$all'];
const BRANCHES = ['$and', '$or', '$nor'];
const PLAIN = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$exists', '$type', '$mod', '$size'];
const OTHERS = ['$not', '$elemMatch', '$regex', '$comment'];
/** Every operator that a query may use. */
export const OPERATORS = [...LISTS, ...BRANCHES, ...PLAIN, ...OTHERS];

export type Matches = (data: object) => boolean;

/** Why a query cannot be asked; `path` leads to the fault. */
export interface QueryFault {
  path: Path;
  error: YardError;
}

/** Makes a query ready to be asked; throws `rules.query` for one that cannot be. */
export function compileQuery(query: unknown): Matches {
  const [fault] = queryFaults(query);
  if (fault) throw fault.error;
  const ready = new Query(translate(query) as Record<string, unknown>, {});
  return (data) => ready.test(data as Record<string, unknown>);
}

/** Everything that is wrong with a query. */
export function queryFaults(query: unknown, path: Path = []): QueryFault[] {
  if (!isMap(query)) return [faultAt(path, 'a query is a map')];
  return Object.entries(query).flatMap(([key, value]) =>
    key.startsWith('$')
      ? operatorFaults(key, value, [...path, key])
      : conditionFaults(value, [...path, key]),
  );
}

/** Of what stands beside a field: a map of operators is one, any other value is compared with. */
function conditionFaults(condition: unknown, path: Path): QueryFault[] {
  return isMap(condition) ? queryFaults(condition, path) : [];
}

function operatorFaults(operator: string, value: unknown, path: Path): QueryFault[] {
  if (!OPERATORS.includes(operator)) {
    return [faultAt(path, `unknown operator ${quote(operator)}`, suggestion(operator, OPERATORS))];
  }
  if (LISTS.includes(operator)) {
    return Array.isArray(value) ? [] : [faultAt(path, `${operator} needs a list`)];
  }
  if (BRANCHES.includes(operator)) {
    if (!Array.isArray(value)) return [faultAt(path, `${operator} needs a list of queries`)];
    return value.flatMap((branch, index) => queryFaults(branch, [...path, index]));
  }
  switch (operator) {
    case '$not':
    case '$elemMatch':
      return queryFaults(value, path);
    case '$regex':
      return regexFaults(value, path);
    case '$mod': {
      const isPair = Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
      return isPair ? [] : [faultAt(path, '$mod needs a divisor and a remainder')];
    }
    case '$exists':
      return typeof value === 'boolean' ? [] : [faultAt(path, '$exists needs true or false')];
    case '$size':
      return Number.isInteger(value) ? [] : [faultAt(path, '$size needs a number')];
    default:
      return [];
  }
}

function regexFaults(value: unknown, path: Path): QueryFault[] {
  if (typeof value !== 'string') return [faultAt(path, '$regex needs a text')];
  try {
    pythonRegex(value);
    return [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [faultAt(path, `cannot be read as a regular expression: ${error.message}`)];
  }
}

/** Says the same to mingo: without comments, with regular expressions made ready. */
function translate(query: unknown): unknown {
  if (Array.isArray(query)) return query.map(translate);
  if (!isMap(query)) return query;
  const entries = Object.entries(query)
    .filter(([key]) => key !== '$comment')
    .map(([key, value]): [string, unknown] => {
      if (key === '$regex') return [key, pythonRegex(value as string)];
      const isLiteral = key === '$eq' || key === '$ne' || LISTS.includes(key);
      return [key, isLiteral ? value : translate(value)];
    });
  return Object.fromEntries(entries);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function faultAt(path: Path, what: string, hint?: string): QueryFault {
  const options = hint === undefined ? {} : { hint };
  return { path, error: new YardError('rules.query', pathText(path, what), options) };
}
