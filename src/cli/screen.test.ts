import { expect, test } from 'vitest';
import { ID, aRun, fakeHost } from './host-fixture.ts';

test('JSON is one value for a list, one for a run, and a line each as jsonl', async () => {
  const findRuns = async () => ({ runs: [aRun(), aRun()], isCut: false });
  const client = { findRuns, getRun: async () => aRun() };
  const list = fakeHost(client);
  await list.run('run', 'list', '-o', 'json');
  expect(JSON.parse(list.said.stdout)).toEqual([aRun(), aRun()]);
  const lines = fakeHost(client);
  await lines.run('run', 'list', '-o', 'jsonl');
  expect(lines.said.stdout).toBe(`${JSON.stringify(aRun())}\n`.repeat(2));
  const one = fakeHost(client);
  await one.run('run', 'show', ID, '-o', 'json');
  expect(JSON.parse(one.said.stdout)).toEqual(aRun());
  const two = fakeHost(client);
  await two.run('run', 'show', ID, ID.replace('1', '2'), '-o', 'json');
  expect(JSON.parse(two.said.stdout)).toHaveLength(2);
});

test('an empty list is empty JSON, and a word beside an empty table', async () => {
  const client = { findRuns: async () => ({ runs: [], isCut: false }) };
  const json = fakeHost(client);
  await json.run('run', 'list', '-o', 'json');
  expect(json.said.stdout).toBe('[]\n');
  const table = fakeHost(client);
  await table.run('run', 'list');
  expect(table.said).toEqual({ stdout: '', stderr: 'no runs\n' });
});

test.each([
  [{}, true, true],
  [{ NO_COLOR: '1' }, true, false],
  [{ TERM: 'dumb' }, true, false],
  [{}, false, false],
])('with %j on a terminal (%s) there is colour: %s', async (env, isTerminal, hasColour) => {
  const findRuns = async () => ({ runs: [aRun()], isCut: false });
  const { host, said, run } = fakeHost({ findRuns }, { env });
  host.stdout.isTerminal = isTerminal;
  await run('run', 'list');
  expect(said.stdout.includes('\u001b[')).toBe(hasColour);
  expect(said.stdout).toContain('COMPLETE');
  said.stdout = '';
  await run('run', 'list', '--no-color');
  expect(said.stdout).not.toContain('\u001b[');
});

test('a table shows a hostile name as text', async () => {
  const name = 'x\u001b]0;owned\u0007\u202ey\nz';
  const { run, said } = fakeHost({
    findRuns: async () => ({ runs: [aRun({ name })], isCut: false }),
  });
  await run('run', 'list');
  expect(said.stdout).toContain('x\\u202ey z\n');
  expect(said.stdout).not.toContain('\u001b');
});
