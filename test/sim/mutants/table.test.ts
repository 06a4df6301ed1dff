import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { PROMISES, proofsOf, silentOf, unprovedOf } from './matrix.ts';
import { editsOf, plant } from './mutant.ts';
import { MUTANTS, mutantsOf } from './table.ts';

const root = resolve(import.meta.dirname, '../../..');

test.each(MUTANTS)('$name can be planted: each of its places is there once', (mutant) => {
  const texts = new Map<string, string>();
  for (const edit of editsOf(mutant)) {
    const text = texts.get(edit.file) ?? readFileSync(join(root, edit.file), 'utf8');
    const planted = plant(text, edit);
    expect(planted).not.toBe(text);
    texts.set(edit.file, planted);
  }
});

test('every mutant has a name of its own and says why', () => {
  const names = MUTANTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, why } of MUTANTS) {
    expect(name).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    expect(why).not.toBe('');
  }
});

test('all bugs of the reference are planted', () => {
  const numbers = MUTANTS.map(({ source }) => /^dst (\d+)$/.exec(source)?.[1]).filter(Boolean);
  expect(numbers.map(Number)).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
});

test('a place that is gone, or not the only one, is told', () => {
  const edit = { file: 'a.ts', find: 'x', replace: 'y' };
  expect(plant('axb', edit)).toBe('ayb');
  expect(() => plant('ab', edit)).toThrow('a.ts has 0 of "x", one is needed');
  expect(() => plant('axxb', edit)).toThrow('a.ts has 2 of "x", one is needed');
});

test('a source is asked for by its whole name, a bug by a part of its own', () => {
  expect(mutantsOf([])).toBe(MUTANTS);
  expect(mutantsOf(['dst']).map(({ source }) => source.slice(0, 4))).toEqual(
    Array(22).fill('dst '),
  );
  expect(mutantsOf(['dst 2'])).toHaveLength(1);
  // Its name holds the letters of another source.
  expect(mutantsOf(['standstill']).map(({ source }) => source)).toContain('blind');
});

test.each(PROMISES)('for the oracle of %s a bug is planted', (name) => {
  expect(MUTANTS.filter(({ shows }) => shows === name)).not.toEqual([]);
});

test('an oracle is proved by the bugs that made it speak, and one that was to speak is named', () => {
  const hunts = [
    { mutant: MUTANTS.find(({ shows }) => shows === 'S1')!, oracles: ['S16', 'S1'] },
    { mutant: MUTANTS.find(({ shows }) => shows === 'S2')!, oracles: ['S16'] },
  ].map(({ mutant, oracles }) => {
    const found = { seeds: 1, first: oracles[0], oracles, events: 1, cpuSeconds: 1 };
    return { mutant, found: [found] };
  });
  const [one, two] = hunts.map(({ mutant: { name } }) => name);
  expect(proofsOf(hunts).get('S16')).toEqual({ first: [one, two], also: [] });
  expect(proofsOf(hunts).get('S1')).toEqual({ first: [], also: [one] });
  expect(silentOf(hunts)).toEqual([`S2 of ${two}`]);
  expect(unprovedOf(hunts)).toEqual(PROMISES.filter((name) => !['S1', 'S16'].includes(name)));
});
