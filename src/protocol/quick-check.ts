/**
 * A quick yes for what is valid as it stands. Most messages are; parsing them by their schema makes
 * a copy and takes several times as long. The schema alone says no, and says why.
 */
import type { z } from 'zod';

/** true: the schema would accept this value, change nothing in it and know all of its keys. */
export type QuickCheck = (value: unknown) => boolean;

/** As zod keeps it of a schema or of a check; what is not understood here is left to zod. */
interface Definition {
  type?: string;
  check?: unknown;
  format?: string;
  checks?: readonly { _zod: { def: Definition } }[];
  fn?: (value: unknown) => unknown;
  value?: number;
  inclusive?: boolean;
  maximum?: number;
  minimum?: number;
  pattern?: RegExp;
  values?: readonly unknown[];
  entries?: Record<string, unknown>;
  element?: Inner;
  innerType?: Inner;
  keyType?: Inner;
  valueType?: Inner;
  shape?: Record<string, Inner>;
  options?: readonly Inner[];
  discriminator?: string;
}

type Inner = z.core.$ZodType;

/** Derives the check from the schema; undefined where the schema holds what is not understood. */
export function makeQuickCheck(schema: Inner): QuickCheck | undefined {
  const def = schema._zod.def as unknown as Definition;
  const base = baseOf(def);
  if (!base) return undefined;
  const checks: QuickCheck[] = [base];
  for (const { _zod } of def.checks ?? []) {
    const check = checkOf(_zod.def);
    if (!check) return undefined;
    checks.push(check);
  }
  const [first, second, third] = checks as [QuickCheck, QuickCheck?, QuickCheck?];
  if (checks.length > 3) return (value) => checks.every((check) => check(value));
  if (third) return (value) => first(value) && second!(value) && third(value);
  return second ? (value) => first(value) && second(value) : first;
}

function baseOf(def: Definition): QuickCheck | undefined {
  switch (def.type) {
    case 'string':
      return def.format === undefined ? (value) => typeof value === 'string' : undefined;
    case 'number':
      if (def.format === undefined) return (value) => Number.isFinite(value);
      return def.format === 'safeint' ? (value) => Number.isSafeInteger(value) : undefined;
    case 'boolean':
      return (value) => value === true || value === false;
    case 'literal':
      return oneOf(def.values ?? []);
    case 'enum':
      return oneOf(Object.values(def.entries ?? {}));
    case 'custom':
      // A refinement of a whole schema has checks; this is the value's own test.
      return def.fn ? (value) => def.fn!(value) === true : undefined;
    case 'optional':
      return optional(def);
    case 'default':
      // What is filled in is no longer as it stood.
      return def.innerType && makeQuickCheck(def.innerType);
    case 'array':
      return arrayOf(def);
    case 'record':
      return recordOf(def);
    case 'object':
      return objectOf(def);
    case 'union':
      return def.discriminator === undefined ? unionOf(def) : taggedUnionOf(def, def.discriminator);
    default:
      return undefined;
  }
}

function checkOf(def: Definition): QuickCheck | undefined {
  const { value: bound = 0, inclusive, maximum, minimum, pattern } = def;
  switch (def.check) {
    case 'greater_than':
      if (inclusive) return (value) => (value as number) >= bound;
      return (value) => (value as number) > bound;
    case 'less_than':
      if (inclusive) return (value) => (value as number) <= bound;
      return (value) => (value as number) < bound;
    case 'max_length':
      return (value) => (value as { length: number }).length <= maximum!;
    case 'min_length':
      return (value) => (value as { length: number }).length >= minimum!;
    case 'string_format':
      if (def.format !== 'regex' || !pattern || pattern.global || pattern.sticky) return undefined;
      return (value) => pattern.test(value as string);
    default:
      return undefined;
  }
}

function oneOf(values: readonly unknown[]): QuickCheck {
  if (values.length === 1) return (value) => value === values[0];
  const known = new Set(values);
  return (value) => known.has(value);
}

/** What is not understood may still be absent. */
function optional({ innerType }: Definition): QuickCheck {
  const check = innerType && makeQuickCheck(innerType);
  return (value) => value === undefined || (check?.(value) ?? false);
}

function arrayOf({ element }: Definition): QuickCheck | undefined {
  const check = element && makeQuickCheck(element);
  if (!check) return undefined;
  return (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (!check(value[i])) return false;
    return true;
  };
}

function recordOf({ keyType, valueType }: Definition): QuickCheck | undefined {
  const checkKey = keyType && makeQuickCheck(keyType);
  const checkValue = valueType && makeQuickCheck(valueType);
  if (!checkKey || !checkValue) return undefined;
  return (value) => {
    if (!isPlain(value)) return false;
    for (const key in value) if (!checkKey(key) || !checkValue(value[key])) return false;
    return true;
  };
}

function objectOf({ shape = {} }: Definition): QuickCheck | undefined {
  const properties: { key: string; check: QuickCheck }[] = [];
  for (const [key, schema] of Object.entries(shape)) {
    const check = makeQuickCheck(schema);
    if (!check) return undefined;
    properties.push({ key, check });
  }
  return (value) => {
    if (!isPlain(value)) return false;
    let present = 0;
    for (let i = 0; i < properties.length; i++) {
      const { key, check } = properties[i]!;
      const own = value[key];
      if (!check(own)) return false;
      if (own !== undefined) present++;
    }
    // What is left over is unknown, or undefined by name: the schema knows what to do with it.
    for (const _ in value) present--;
    return present === 0;
  };
}

function unionOf({ options = [] }: Definition): QuickCheck | undefined {
  const checks = options.map(makeQuickCheck);
  if (checks.includes(undefined)) return undefined;
  return (value) => checks.some((check) => check!(value));
}

function taggedUnionOf({ options = [] }: Definition, tag: string): QuickCheck | undefined {
  const byTag = new Map<unknown, QuickCheck>();
  for (const option of options) {
    const check = makeQuickCheck(option);
    const tags = (option._zod.def as unknown as Definition).shape?.[tag]?._zod.def as Definition;
    // An option that is not understood is never valid at a glance; the others still are.
    for (const value of check ? (tags?.values ?? []) : []) byTag.set(value, check!);
  }
  return (value) => isPlain(value) && (byTag.get(value[tag])?.(value) ?? false);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === PLAIN;
}

const PLAIN = Object.prototype;
