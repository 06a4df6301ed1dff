import { expect, test } from 'vitest';
import { seededRandom } from '../../base/random.ts';
import { compareKeys, makeKeySpace } from './key-space.ts';
import type { KeySpace } from './key-space.ts';
import type { Range } from './port.ts';

type Changes = Parameters<KeySpace['apply']>[0];

const changesOf = (changes: readonly [string, string | undefined][], rev: number): Changes => ({
  keys: changes.map(([key]) => key),
  values: changes.map(([, value]) => (value === undefined ? undefined : Buffer.from(value))),
  revs: changes.map(() => rev),
});

test('a range is in order, from either end, however many keys came and went', () => {
  const random = seededRandom('key space');
  const below = (end: number) => Math.floor(random.float() * end);
  const keyOf = (number: number) => `k/${String(number).padStart(5, '0')}`;
  const space = makeKeySpace();
  const model = new Map<string, string>();
  const bound = () => (random.float() < 0.3 ? undefined : keyOf(below(4_000)));
  for (let rev = 1; rev <= 600; rev++) {
    // First it grows, then it shrinks to nothing.
    const goes = rev > 500 ? 1 : rev > 300 ? 0.6 : 0.2;
    const changes = Array.from({ length: 40 }, (): [string, string | undefined] => {
      const known = goes === 1 ? [...model.keys()] : [];
      const key = known.length > 0 ? known[below(known.length)]! : keyOf(below(4_000));
      return [key, random.float() < goes ? undefined : `${key} ${rev}`];
    });
    space.apply(changesOf(changes, rev));
    for (const [key, value] of changes) {
      if (value === undefined) model.delete(key);
      else model.set(key, value);
    }
    const limit = random.float() < 0.5 ? below(1_200) : undefined;
    const [gte, lt] = [bound(), bound()];
    const range: Range = {
      ...(gte === undefined ? {} : { gte }),
      ...(lt === undefined ? {} : { lt }),
      ...(limit === undefined ? {} : { limit }),
      reverse: random.float() < 0.5,
    };
    const inRange = [...model.keys()]
      .filter((key) => (gte === undefined || key >= gte) && (lt === undefined || key < lt))
      .toSorted();
    if (range.reverse) inRange.reverse();
    expect(space.within(range).map(({ key, value }) => [key, String(Buffer.from(value))])).toEqual(
      inRange.slice(0, limit).map((key) => [key, model.get(key)]),
    );
  }
  for (const key of model.keys()) space.apply(changesOf([[key, undefined]], 601));
  expect(space.within({})).toEqual([]);
});

test('a value is its own: what is done to the given bytes later does not change it', () => {
  const space = makeKeySpace();
  const value = Buffer.from('as it was');
  space.apply({ keys: ['a'], values: [value], revs: [7] });
  value.fill(0);
  expect(space.within({})).toEqual([
    { key: 'a', value: new Uint8Array(Buffer.from('as it was')), rev: 7 },
  ]);
});

test('keys compare as their bytes do', () => {
  const keys = [
    '',
    'a',
    'a\u0001',
    'b',
    '\u07ff',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '😀',
    '😀a',
    '\u{10ffff}',
  ];
  for (const a of keys) {
    for (const b of keys) {
      const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(Math.sign(compareKeys(a, b))).toBe(bytes);
    }
  }
});
