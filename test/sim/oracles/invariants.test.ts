import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { INVARIANTS } from './invariants.ts';

const sim = join(import.meta.dirname, '..');
const sources = [sim, import.meta.dirname].flatMap((directory) =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(directory, name), 'utf8')),
);
const reported = new Set(
  sources.flatMap((text) =>
    [...text.matchAll(/(?:report\(|oracle:)\s*'([A-Z]\d+)'/g)].map(([, name]) => name),
  ),
);

test.each(Object.keys(INVARIANTS))('%s is watched', (name) => {
  expect([...reported]).toContain(name);
});

test('all that dst.md names is there', () => {
  const names = Object.keys(INVARIANTS);
  for (let i = 1; i <= 28; i++) expect(names).toContain(`S${i}`);
  for (let i = 1; i <= 9; i++) expect(names).toContain(`L${i}`);
});
