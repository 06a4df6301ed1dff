import { expect, test } from 'vitest';
import { RUN_STATES, idText, isDone, normalArch, runRequest } from './run.ts';

const refused = (own: object) =>
  runRequest.safeParse({ argv: ['true'], ...own }).error?.issues.map(({ path }) => path.join('.'));

test('a bare command is enough, and what is left out has its default', () => {
  expect(runRequest.parse({ argv: ['true'] })).toMatchObject({
    graceMs: 10_000,
    lostMax: 5,
    retries: 0,
    timeoutMs: 0,
    isolation: 'none',
    priority: 0,
    after: [],
  });
});

test.each([
  ['an empty command', { argv: [] }, 'argv'],
  ['an empty program', { argv: [''] }, 'argv.0'],
  ['a NUL in an argument', { argv: ['a\0b'] }, 'argv.0'],
  ['both a command and a formula', { formula: { item: 'x', itemType: 't' } }, ''],
  ['a denied name', { env: { LD_PRELOAD: 'x' } }, 'env'],
  ['a name of ours', { env: { RUNYARD_RUN: 'x' } }, 'env'],
  ['a name with "="', { env: { 'A=B': 'x' } }, 'env'],
  ['too much environment', { env: { A: 'x'.repeat(65_536) } }, 'env'],
  ['a key nobody knows', { timeout: 1 }, ''],
  ['a time that is no number', { timeoutMs: NaN }, 'timeoutMs'],
  ['a time before now', { timeoutMs: -1 }, 'timeoutMs'],
  ['half a millisecond', { timeoutMs: 0.5 }, 'timeoutMs'],
  ['a priority beyond its limits', { priority: 101 }, 'priority'],
  ['a run id that is a path', { after: ['../x'] }, 'after.0'],
  ['a label that is a path', { labels: { 'a b': 'x' } }, 'labels.a b'],
  ['resources below zero', { resources: { cpus: -1 } }, 'resources.cpus'],
  ['endless resources', { resources: { cpus: Infinity } }, 'resources.cpus'],
])('%s is refused', (_, own, path) => {
  expect(refused(own)).toContain(path);
});

test.each(['/etc/passwd', '../task.yml', 'a/../../b', 'a\0b'])(
  'a formula at %j is not inside its bundle',
  (file) => {
    const formula = { file, item: 'x', itemType: 't' };
    const parsed = runRequest.safeParse({ formula, bundle: 'fs-1' });
    expect(parsed.error?.issues[0]?.path).toEqual(['formula', 'file']);
  },
);

test('a formula without the bundle that holds it is refused', () => {
  const parsed = runRequest.safeParse({ formula: { item: 'x', itemType: 't' } });
  expect(parsed.error?.issues.map(({ path }) => path.join('.'))).toContain('bundle');
});

test('only the last four states and UNKNOWN are done, substates never are', () => {
  expect(RUN_STATES.filter(isDone)).toEqual([
    'UNKNOWN',
    'COMPLETE',
    'FAILED',
    'ABORTED',
    'TIMEDOUT',
  ]);
  expect(['PENDING.held', 'RUNNING.stopping'].some(isDone)).toBe(false);
});

test.each([
  ['x64', 'x86_64'],
  ['amd64', 'x86_64'],
  ['arm64', 'aarch64'],
  ['i686', 'i386'],
  ['s390x', 's390x'],
  ['vax', 'vax'],
])('%s is called %s here', (name, normal) => {
  expect(normalArch(name)).toBe(normal);
});

test.each(['', 'a b', 'a/b', '..', 'x'.repeat(65), 'é'])('%j names nothing', (text) => {
  expect(idText.safeParse(text).success).toBe(false);
});

// Bug: the aliases are looked up in a plain object, so that names of its own methods find those.
test('an architecture called constructor is an unknown name like any other', () => {
  expect(normalArch('constructor')).toBe('constructor');
});
