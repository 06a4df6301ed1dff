import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { STREAMS } from '../protocol/outputs.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import type { RunRecord } from './records.ts';
import { makeOutputKeeper, outputKey } from './outputs.ts';
import { makeBlobs } from './store/blobs.ts';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

async function open() {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-outputs-'));
  roots.push(directory);
  const blobs = await makeBlobs({ directory });
  return {
    blobs,
    keeper: makeOutputKeeper({
      blobs,
      clock: systemClock,
      log: silentLog,
      findRun: async () => undefined,
      historyOf: async () => [],
      untilEvent: async () => {},
    }),
  };
}

function factsOf(text: string) {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { bytes: bytes.length, sha256, droppedBytes: 0 };
}

function reportOf(
  texts: Record<(typeof STREAMS)[number], string>,
  inline: boolean,
): FinishedReport {
  const each = <T>(make: (text: string) => T) =>
    Object.fromEntries(STREAMS.map((stream) => [stream, make(texts[stream])])) as never;
  return {
    runId: 'r1',
    attempt: 1,
    token: 't',
    ending: { kind: 'exited', code: 0 },
    outputs: each(factsOf),
    ...(inline ? { inline: each((text) => Buffer.from(text)) } : {}),
    artifacts: [],
    notes: [],
  };
}

const texts = { stdout: 'out\n', stderr: '', combined: 'out\n' };

test('a report without a byte can be decided on at once', async () => {
  const { keeper } = await open();
  expect(keeper.keep(reportOf({ stdout: '', stderr: '', combined: '' }, false))).toBeUndefined();
});

test('bytes that ride along are on disk when the report counts', async () => {
  const { blobs, keeper } = await open();
  await keeper.keep(reportOf(texts, true));
  expect(await keeper.sizesOf('r1', 1)).toEqual({ stdout: 4, stderr: 0, combined: 4 });
  const body = await blobs.get(outputKey('r1', 1, 'stdout'));
  expect(Buffer.concat(await body.toArray()).toString()).toBe('out\n');
});

test('a report whose bytes did not arrive does not count', async () => {
  const { blobs, keeper } = await open();
  await expect(keeper.keep(reportOf(texts, false))).rejects.toThrow();
  await blobs.append(outputKey('r1', 1, 'stdout'), 0, Buffer.from('out\n'));
  await blobs.append(outputKey('r1', 1, 'combined'), 0, Buffer.from('out\n'));
  await keeper.keep(reportOf(texts, false));
  expect((await blobs.stat(outputKey('r1', 1, 'stdout')))?.sealed).toBe(true);
});

test('a repeated report is kept again without harm', async () => {
  const { keeper } = await open();
  await keeper.keep(reportOf(texts, true));
  await keeper.keep(reportOf(texts, true));
  expect(await keeper.sizesOf('r1', 1)).toMatchObject({ stdout: 4 });
});

test('other bytes than were promised are dropped, so that they can be sent again', async () => {
  const { blobs, keeper } = await open();
  const key = outputKey('r1', 1, 'stdout');
  await blobs.append(key, 0, Buffer.from('OUT\n'));
  await expect(keeper.keep(reportOf(texts, false))).rejects.toThrow();
  expect(await blobs.stat(key)).toBeUndefined();
});

test('a report that names an artifact which did not arrive does not count', async () => {
  const { keeper } = await open();
  const report = reportOf({ stdout: '', stderr: '', combined: '' }, false);
  report.artifacts = [{ name: 'core', bytes: 3, sha256: '0'.repeat(64) }];
  await expect(keeper.keep(report)).rejects.toThrow(/^artifact.missing: core of run r1/);
});

test('who follows at leisure is waited for again and again, and nothing of that piles up', async () => {
  const { blobs, keeper } = await open();
  const key = outputKey('r1', 1, 'stdout');
  const text = 'x'.repeat(2 ** 21);
  await blobs.append(key, 0, Buffer.from(text));
  const warned: Error[] = [];
  const note = (warning: Error) => void warned.push(warning);
  process.on('warning', note);
  const run = { id: 'r1', state: 'RUNNING.executing', context: { attempt: 1 } } as RunRecord;
  const { signal } = new AbortController();
  const { body } = await keeper.open(run, 'stdout', { attempt: 1, follow: true }, signal);
  expect(Buffer.concat(await body.toArray()).toString()).toBe(text);
  await new Promise(setImmediate);
  process.off('warning', note);
  expect(warned).toEqual([]);
});
