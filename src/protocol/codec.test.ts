import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { isYardError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { decode, encode } from './codec.ts';

test('plain data comes back as it was', () => {
  const plain = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 20, noNullPrototype: true }),
    ),
  })).value;

  fc.assert(
    fc.property(plain, (value) => {
      expect(normal(decode(encode(value)))).toEqual(normal(value));
    }),
    { numRuns: 1000 },
  );
});

test('an absent property is left out, not sent as null', () => {
  expect(decode(encode({ a: 1, b: undefined, c: { d: undefined } }))).toEqual({ a: 1, c: {} });
});

test('no key of a stranger reaches the prototype', () => {
  const value = decode(encode(JSON.parse('{"__proto__":{"admin":true},"constructor":{"x":1}}')));

  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect((value as { admin?: boolean }).admin).toBeUndefined();
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
});

test('bytes that were decoded keep nothing of their frame', () => {
  const frame = encode({ out: Uint8Array.of(1, 2, 3), pad: 'x'.repeat(50_000) });
  const { out } = decode(frame) as { out: Uint8Array };
  frame.fill(0);

  expect([...out]).toEqual([1, 2, 3]);
  expect(out.buffer.byteLength).toBeLessThan(20_000);
});

test('a frame stays as it was while later ones are encoded', () => {
  const first = encode({ n: 1, text: 'first' });
  const copy = Uint8Array.from(first);
  for (let n = 0; n < 5_000; n++) encode({ n, text: 'later'.repeat(n % 100) });

  expect(Uint8Array.from(first)).toEqual(copy);
});

test.each([
  ['a date', new Date(0)],
  ['a set', new Set([1])],
  ['a pattern', /x/],
  ['an error', new Error('x')],
  ['a big integer', 2n ** 60n],
])('%s is refused by the reader', (_name, value) => {
  const lax = new Packr({ moreTypes: true, structuredClone: true });

  expect(() => decode(lax.pack([value]))).toThrow(/^frame\./);
});

test('records, which define types as they go, are refused', () => {
  expect(() => decode(new Packr().pack({ a: 1 }))).toThrow('frame.ext_not_allowed: type 0xd4');
});

test('no bytes whatever make the decoder throw anything but a frame error', () => {
  const random = seededRandom('codec');
  const good = [
    encode({ type: 'status', run: 'r1', list: [1, 2, { a: null }] }),
    encode([2, '/s', ['m', []]]),
  ];

  let passed = 0;
  for (let i = 0; i < 50_000; i++) {
    const bytes =
      i % 2 === 0 ? random.bytes(Math.floor(random.float() * 40)) : mutate(good[(i % 4) >> 1]!);
    try {
      decode(bytes);
      passed++;
    } catch (error) {
      if (!isYardError(error) || !error.code.startsWith('frame.')) throw error;
    }
  }
  expect(passed).toBeGreaterThan(1_000);
  expect(passed).toBeLessThan(49_000);

  function mutate(frame: Uint8Array): Uint8Array {
    const bytes = Uint8Array.from(frame);
    const flips = 1 + Math.floor(random.float() * 3);
    for (let i = 0; i < flips; i++) {
      bytes[Math.floor(random.float() * bytes.length)] = Math.floor(random.float() * 256);
    }
    return bytes;
  }
});

/** Byte strings as plain lists, and -0 as 0, which MessagePack does not tell apart. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return ['bytes', ...value];
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value === 'number') return value + 0;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key === '__proto__' ? '__proto_' : key,
    normal(item),
  ]);
  return Object.fromEntries(entries);
}
