import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { HELP } from './args.ts';

const root = resolve(import.meta.dirname, '../..');
const document = readFileSync(join(root, 'docs/simulating.md'), 'utf8');

test('the example of the document is the one that is tested', () => {
  const [, example] = /```ts example\n(.*?)```/s.exec(document) ?? [];
  expect(example).toBe(readFileSync(join(import.meta.dirname, 'example.test.ts'), 'utf8'));
});

test('every flag that the document gives to the simulator is one of it', () => {
  const lines = document.split('\n').filter((line) => line.startsWith('npm run sim -- '));
  const flags = lines.flatMap((line) => line.match(/--[a-z-]+/g) ?? []);
  expect(flags.length).toBeGreaterThan(3);
  for (const flag of flags) expect(HELP).toContain(`  ${flag}`);
});

test('what the package exports is built from sources that are there', () => {
  const { exports, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, Record<string, string>>;
    files: string[];
  };
  const { types, default: program } = exports['./sim']!;
  const source = program!.replace('dist-sim/', '').replace('.js', '.ts');
  expect(existsSync(join(root, source))).toBe(true);
  expect(types).toBe(program!.replace('.js', '.d.ts'));
  expect(files).toContain('dist-sim/test/sim/*.js');
});
