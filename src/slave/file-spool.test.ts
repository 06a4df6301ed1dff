import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

const journal = () => join(root, 'attempts', key, 'journal');

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
  await spool.keepAssignment(key, assignmentOf({}));
  const start = readFileSync(journal()).length;
  await spool.keepReport(key, report);
  const whole = readFileSync(journal());
  for (let length = 0; length < whole.length; length += 7) {
    writeFileSync(journal(), whole.subarray(0, length));
    const read = await spool.read(key);
    expect(read.report, `cut to ${length}`).toBeUndefined();
    expect(read.assignment === undefined, `cut to ${length}`).toBe(length < start);
  }
});

test('a process that takes an attempt up adds its report to what the earlier one kept', async () => {
  await makeFileSpool(root).keepAssignment(key, assignmentOf({}));
  const later = makeFileSpool(root);
  await later.read(key);
  await later.keepReport(key, report);
  const read = await makeFileSpool(root).read(key);
  expect([read.assignment, read.report?.ending]).toEqual([assignmentOf({}), report.ending]);
});

test('what an earlier attempt left in the directory is not taken for this one', async () => {
  mkdirSync(join(root, 'attempts', 'r2.1'));
  const spool = makeFileSpool(root);
  await spool.keepAssignment(key, assignmentOf({ env: { LONG: 'x'.repeat(1000) } }));
  await spool.keepReport(key, report);
  writeFileSync(join(root, 'attempts', 'r2.1', 'journal'), readFileSync(journal()));
  expect(await spool.read('r2.1')).toEqual({ assignment: undefined, report: undefined });
  const own = assignmentOf({ runId: 'r2' });
  await spool.keepAssignment('r2.1', own);
  expect(await spool.read('r2.1')).toEqual({ assignment: own, report: undefined });
});

test('a link that a task put in its place is not written through', async () => {
  writeFileSync(join(root, 'precious'), 'kept');
  symlinkSync(join(root, 'precious'), journal());
  await expect(makeFileSpool(root).keepAssignment(key, assignmentOf({}))).rejects.toThrow('ELOOP');
  expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('kept');
});
