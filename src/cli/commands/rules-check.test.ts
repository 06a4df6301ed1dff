import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeHost } from '../host-fixture.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../../examples');

let cwd: string;
beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), 'runyard-rules-'))));
afterEach(() => rmSync(cwd, { recursive: true }));

async function check(text: string, ...more: string[]) {
  writeFileSync(join(cwd, 'rules.yml'), text);
  const { run, said } = fakeHost({}, { cwd });
  return { status: await run('rules', 'check', 'rules.yml', ...more), ...said };
}

test('rules that a master would take are counted, and their tasks named once', async () => {
  const { run, said } = fakeHost({}, { cwd: EXAMPLES });
  expect(await run('rules', 'check', 'trigger_rules.yml', '--tasks', 'tasks')).toBe(0);
  expect(said.stdout).toMatch(/^2 rules, tasks: upstream-atomic, fedora-cloud-tests\n$/);
  const json = await check('- {when: {}, do: [{tasks: [a, "${name}", a]}]}', '-o', 'json');
  expect(json.status).toBe(0);
  expect(JSON.parse(json.stdout)).toEqual({
    file: join(cwd, 'rules.yml'),
    rules: 1,
    tasks: ['a'],
  });
});

test('all that is wrong is said at once, with its line', async () => {
  const wrong = await check('- when: {a: {$foo: 1}}\n  do: [{tasks: [t]}]\n- when: {}\n  od: []\n');
  expect([wrong.status, wrong.stdout]).toEqual([78, '']);
  expect(wrong.stderr).toMatch(/^rules\./);
  expect(wrong.stderr).toMatch(/\$foo/);
  expect(wrong.stderr).toMatch(/od/);
  expect(wrong.stderr).toMatch(/rules\.yml:1:/);
});

test('a task that is not there, and a file that is not, are named', async () => {
  mkdirSync(join(cwd, 'tasks/here'), { recursive: true });
  writeFileSync(join(cwd, 'tasks/here/task.yml'), '');
  const rules = '- {when: {}, do: [{tasks: [here, gone, ../here]}]}';
  const missing = await check(rules, '--tasks', 'tasks');
  expect(missing.stderr).toMatch(/^task\.unknown: the rules name "gone", "\.\.\/here", not in /);
  const { run, said } = fakeHost({}, { cwd });
  expect(await run('rules', 'check', 'nowhere.yml')).toBe(78);
  expect(said.stderr).toMatch(/^config\.rules: cannot read .*nowhere\.yml/);
});
