import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAt } from '../../src/master/store/level-fixture.ts';
import type { Op } from '../../src/master/store/port.ts';
import { fakeHost } from '../../src/cli/host-fixture.ts';

let cwd: string;
beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), 'runyard-fsck-cli-'))));
afterEach(() => rmSync(cwd, { recursive: true }));

/** A state that holds these, as if a master had stopped. */
async function stateWith(...ops: Op[]): Promise<void> {
  const { store, fence } = await openAt(join(cwd, 'state'));
  await store.commit({ fence, ops });
  await store.close();
}

async function fsck(...more: string[]) {
  const { run, said } = fakeHost({}, { cwd });
  return { status: await run('fsck', 'state', ...more), ...said };
}

test('a clean state is said to be so, with what was looked at', async () => {
  await stateWith();
  expect(await fsck()).toEqual({
    status: 0,
    stdout: '0 runs, 0 events, 0 jobs, 0 blobs, commit 1: nothing is wrong\n',
    stderr: '',
  });
});

test('findings are lines for people, one value or a line each for programs; the status is 1', async () => {
  await stateWith({ put: 'mystery/1', value: Buffer.from('x') });
  const text = await fsck();
  expect(text.status).toBe(1);
  expect(text.stdout).toMatch(
    /^fsck\.key_unknown: mystery\/1: no part of this release .*, a newer release .*\n.*1 finding\n$/,
  );
  const json = JSON.parse((await fsck('-o', 'json')).stdout);
  expect(json).toMatchObject({
    findings: 1,
    found: [{ code: 'fsck.key_unknown', where: 'mystery/1' }],
  });
  const lines = (await fsck('-o', 'jsonl')).stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { code: 'fsck.key_unknown' },
    { findings: 1, runs: 0 },
  ]);
});

test('where there is no state, or a master has it open, the status says which', async () => {
  expect(await fsck()).toMatchObject({ status: 66, stdout: '' });
  const { store } = await openAt(join(cwd, 'state'));
  const locked = await fsck();
  await store.close();
  expect(locked).toMatchObject({ status: 75 });
  expect(locked.stderr).toMatch(/^store\.locked: by pid \d+ since /);
});
