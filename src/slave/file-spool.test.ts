import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assignmentOf } from '../../test/kit/slave-ports.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import { makeFileSpool } from './file-spool.ts';

let root: string;
const key = 'r1.1';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'runyard-spool-'));
  mkdirSync(join(root, 'attempts', key), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const report: FinishedReport = {
  runId: 'r1',
  attempt: 1,
  token: 't1',
  ending: { kind: 'exited', code: 3 },
  inline: { stdout: Buffer.from([0, 255]), stderr: Buffer.of(), combined: Buffer.from([0, 255]) },
  artifacts: [],
  notes: ['a note'],
};

test('another process of the slave reads what this one kept, bytes and all', async () => {
  const spool = makeFileSpool(root);
  await spool.keepAssignment(key, assignmentOf({ env: { A: '1' } }));
  await spool.keepReport(key, report);
  const read = await makeFileSpool(root).read(key);
  expect(read.assignment).toEqual(assignmentOf({ env: { A: '1' } }));
  expect(read.report).toMatchObject({ runId: 'r1', ending: report.ending, notes: ['a note'] });
  expect([...read.report!.inline!.stdout]).toEqual([0, 255]);
});

test('what was never kept is absent, and a new slave has seen no master', async () => {
  const spool = makeFileSpool(root);
  expect(await spool.read(key)).toEqual({ assignment: undefined, report: undefined });
  expect(await spool.read('never.1')).toEqual({ assignment: undefined, report: undefined });
  expect(await spool.readEpoch()).toBe(0);
});

test('the epoch of the master outlives the process', async () => {
  await makeFileSpool(root).keepEpoch(41);
  expect(await makeFileSpool(root).readEpoch()).toBe(41);
});

test('a report that was not wholly written is absent, whatever length it was cut to', async () => {
  const spool = makeFileSpool(root);
  await spool.keepReport(key, report);
  const path = join(root, 'attempts', key, 'report');
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length += 7) {
    writeFileSync(path, whole.subarray(0, length));
    expect((await spool.read(key)).report, `cut to ${length}`).toBeUndefined();
  }
});
