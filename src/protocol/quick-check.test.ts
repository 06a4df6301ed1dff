import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { makeQuickCheck } from './quick-check.ts';
import { toMaster } from './to-master.ts';
import { toSlave } from './to-slave.ts';

const claim = { runId: 'r1', attempt: 1, token: 't' };
const stream = { bytes: 0, sha256: 'a'.repeat(64), droppedBytes: 0 };
const finished = {
  type: 'finished',
  ...claim,
  ending: { kind: 'exited', code: 0 },
  outputs: { stdout: stream, stderr: stream, combined: stream },
  artifacts: [],
  notes: [],
};
const valid: Record<string, { schema: z.ZodType; value: object }> = {
  finished: { schema: toMaster, value: finished },
  inline: {
    schema: toMaster,
    value: {
      ...finished,
      inline: { stdout: Buffer.from('a'), stderr: Buffer.of(), combined: Buffer.of() },
    },
  },
  progress: { schema: toMaster, value: { type: 'progress', ...claim, phase: 'executing' } },
  heartbeat: { schema: toMaster, value: { type: 'heartbeat', beat: 3 } },
  assign: {
    schema: toSlave,
    value: {
      type: 'assign',
      ...claim,
      argv: ['true'],
      env: { A: 'b' },
      isolation: 'none',
      timeoutMs: 0,
      outputTimeoutMs: 0,
      graceMs: 1,
      outputBytesMax: 1,
      exclusive: false,
    },
  },
  acknowledge: {
    schema: toSlave,
    value: { type: 'acknowledge', runId: 'r1', attempt: 1, stale: false },
  },
};

test.each(Object.entries(valid))('a %s as it is sent is known at a glance', (_, given) => {
  expect(makeQuickCheck(given.schema)!(given.value)).toBe(true);
});

/** One place in a message, replaced by anything. */
function mutated(value: object): fc.Arbitrary<unknown> {
  const paths = pathsOf(value);
  const anything = fc.oneof(
    fc.constantFrom(undefined, null, '', 'r1', -1, 0, 1.5, 2 ** 60, NaN, true, [], {}),
    fc.anything({ maxDepth: 2 }),
  );
  return fc.tuple(fc.constantFrom(...paths), anything).map(([path, other]) => {
    const copy = structuredClone(value) as Record<string, unknown>;
    let inner: Record<string, unknown> = copy;
    for (const key of path.slice(0, -1)) inner = inner[key] as Record<string, unknown>;
    inner[path.at(-1)!] = other;
    return copy;
  });
}

function pathsOf(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  const keys = [...Object.keys(value), ...(Array.isArray(value) ? [] : ['unknown'])];
  return keys.flatMap((key) => [
    [...at, key],
    ...pathsOf((value as Record<string, unknown>)[key], [...at, key]),
  ]);
}

test.each(Object.entries(valid))(
  'what is a valid %s at a glance, its schema leaves as it is',
  (_, given) => {
    const isValid = makeQuickCheck(given.schema)!;
    let known = 0;
    fc.assert(
      fc.property(mutated(given.value), (value) => {
        if (!isValid(value)) return;
        known++;
        const parsed = given.schema.safeParse(value);
        expect(parsed.success).toBe(true);
        expect(parsed.data).toEqual(value);
        expect(Object.keys(parsed.data as object).sort()).toEqual(
          Object.keys(value as object).sort(),
        );
      }),
      { seed: 1, numRuns: 2000 },
    );
    expect(known).toBeGreaterThan(0);
  },
);

test('what it does not understand is left to the schema', () => {
  expect(makeQuickCheck(z.string().refine((text) => text !== 'no'))).toBeUndefined();
  expect(makeQuickCheck(z.string().transform((text) => text.length))).toBeUndefined();
  expect(makeQuickCheck(z.email())).toBeUndefined();
  expect(makeQuickCheck(z.object({ at: z.date() }))).toBeUndefined();
});

test('a default that is filled in, or a key that is not known, is for the schema', () => {
  const isValid = makeQuickCheck(z.object({ a: z.int().default(1), b: z.string().optional() }))!;
  expect(isValid({ a: 1 })).toBe(true);
  expect(isValid({ a: 1, b: 'x' })).toBe(true);
  expect(isValid({})).toBe(false);
  expect(isValid({ a: 1, c: 1 })).toBe(false);
  expect(isValid({ a: 1, b: undefined })).toBe(false);
});
