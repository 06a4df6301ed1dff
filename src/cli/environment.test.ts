import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunRequestInput } from '../protocol/run.ts';
import type { Client } from './client.ts';
import { ID, fakeHost, keepIn } from './host-fixture.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-cli-'))));
afterEach(() => rmSync(directory, { recursive: true }));

test('flags may come from the environment, and the command line wins', async () => {
  const queries: unknown[] = [];
  const findRuns: Client['findRuns'] = async (query, max) => {
    queries.push({ ...query, max });
    return { runs: [], isCut: false };
  };
  const env = { RUNYARD_LIMIT: '7', RUNYARD_STATE: 'pending', RUNYARD_SERVER: 'http://yard:1/' };
  const { run, masters } = fakeHost({ findRuns }, { env });
  await run('run', 'list');
  await run('run', 'list', '--limit', '8', '--server', 'http://other:2');
  expect(queries).toEqual([
    { max: 7, state: ['PENDING'] },
    { max: 8, state: ['PENDING'] },
  ]);
  expect(masters).toEqual([{ server: 'http://yard:1' }, { server: 'http://other:2' }]);
});

test('a variable that cannot be meant is refused by its name', async () => {
  const { run, said } = fakeHost({}, { env: { RUNYARD_LIMIT: 'many' } });
  expect(await run('run', 'list')).toBe(64);
  expect(said.stderr).toMatch(/variable RUNYARD_LIMIT: 'many' is invalid/);
});

test('inside a task its own variables are not taken for flags', async () => {
  const requests: RunRequestInput[] = [];
  const env = {
    RUNYARD_ATTEMPT: `${ID}.1`,
    RUNYARD_ARCH: 's390x',
    RUNYARD_SERVER: 'http://yard:1',
  };
  const { run, masters } = fakeHost({ submit: keepIn(requests) }, { env });
  await run('submit', '--', 'x');
  expect(requests).toEqual([{ argv: ['x'] }]);
  expect(masters).toEqual([{ server: 'http://yard:1' }]);
});

test('a switch can be turned on and off by a variable', async () => {
  const requests: RunRequestInput[] = [];
  for (const RUNYARD_HOLD of ['1', '0']) {
    await fakeHost({ submit: keepIn(requests) }, { env: { RUNYARD_HOLD } }).run('submit', 'x');
  }
  expect(requests).toEqual([{ argv: ['x'], held: true }, { argv: ['x'] }]);
});

test('the token comes from the named file, or else from the environment', async () => {
  writeFileSync(join(directory, 'token'), 'ryu_file\n');
  const listSlaves = async () => [];
  const env = { RUNYARD_TOKEN: 'ryu_env' };
  const { run, masters, said } = fakeHost({ listSlaves }, { env, cwd: directory });
  await run('slave', 'list');
  await run('slave', 'list', '--token-file', 'token');
  expect(masters.map(({ token }) => token)).toEqual(['ryu_env', 'ryu_file']);
  expect(await run('slave', 'list', '--token-file', 'absent')).toBe(78);
  expect(said.stderr).toMatch(/config\.token_file: "absent" cannot be read: ENOENT/);
});
