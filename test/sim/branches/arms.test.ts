import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { armsOf } from './arms.ts';
import { isTaken, readCounts } from './counts.ts';

const PROGRAM = `
function choose(a, b) {
  if (a > 1) return 'one';
  if (a > 0) {
    b = b ?? 'given';
  } else b = 'else';
  const c = a === 1 ? b : 'never';
  switch (a) {
    case 1:
      return c && 'case';
    case 0:
      return 'zero';
    default:
      return 'other';
  }
}
const unused = () => 'unused';
const nothing = () => {};
try {
  choose(1);
} catch {
  unused();
}
`;

/** The arms of the program and whether each was taken, as its text from there. */
function cover(program: string): { taken: string[]; missed: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-coverage-'));
  try {
    const file = join(directory, 'program.mjs');
    writeFileSync(file, program);
    const into = join(directory, 'v8');
    execFileSync(process.execPath, [file], { env: { ...process.env, NODE_V8_COVERAGE: into } });
    const counts = readCounts(into).get(file)!;
    const arms = armsOf(program).map((arm) => ({
      text: `${arm.kind}: ${program.slice(arm.at).split('\n')[0]!.trim()}`,
      is: isTaken(arm, counts),
    }));
    const only = (wanted: boolean) =>
      arms.filter(({ is }) => is === wanted).map(({ text }) => text);
    return { taken: only(true), missed: only(false) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test('each way at a branch is told as taken or missed', () => {
  const { taken, missed } = cover(PROGRAM);
  expect(taken).toEqual([
    'function: {',
    "else: if (a > 1) return 'one';",
    'if: {',
    "operand: 'given';",
    "choice: b : 'never';",
    "case: return c && 'case';",
    "operand: 'case';",
  ]);
  expect(missed).toEqual([
    "if: return 'one';",
    "else: b = 'else';",
    "choice: 'never';",
    "case: return 'zero';",
    "case: return 'other';",
    "function: 'unused';",
    'catch: {',
  ]);
});

test('what ran in one process counts, whatever others did', () => {
  const countsOne = () => 1;
  const countsNone = () => 0;
  expect(isTaken({ kind: 'if', at: 3 }, [countsNone, countsOne])).toBe(true);
  expect(isTaken({ kind: 'if', at: 3 }, [countsNone, countsNone])).toBe(false);
});
