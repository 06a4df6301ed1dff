/** A slave whose disk is full: its attempts end, and say so; it goes on when there is room. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TestContext } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Log } from '../../src/base/log.ts';
import { STREAMS } from '../../src/protocol/outputs.ts';
import type { FinishedReport } from '../../src/protocol/to-master.ts';
import type { Assignment } from '../../src/protocol/to-slave.ts';
import { startAttempt } from '../../src/slave/attempt.ts';
import { makeLanes } from '../../src/slave/execute/lanes.ts';
import { makeFileSpool } from '../../src/slave/file-spool.ts';
import { makeOutputs } from '../../src/slave/outputs/outputs.ts';
import type { Executor } from '../../src/slave/ports.ts';
import { makeWorkspaces } from '../../src/slave/workspace/workspaces.ts';
import { mountSmallDisk } from '../chaos/disk.ts';
import type { SmallDisk } from '../chaos/disk.ts';
import { assignmentOf } from '../kit/slave-ports.ts';
import { until } from '../kit/until.ts';

const { PATH = '/usr/bin:/bin' } = process.env;
let root: string;
let disk: SmallDisk | undefined;
let executor: Executor | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slave-disk-'));
});

afterEach(async () => {
  await executor?.close();
  executor = undefined;
  disk?.remove();
  rmSync(root, { recursive: true, force: true });
});

test('what was written before its disk was full is reported, and where combined ends is marked', async (context) => {
  const { small, perform } = await openSlave(context);
  const talking = 'i=0; while [ ! -e "$0" ]; do sleep 0.02; done; seq 20000; echo told >&2; exit 7';
  const go = join(root, 'go');
  const attempt = perform({ argv: ['sh', '-c', `seq 1000; ${talking}`, go] });
  await until(() => attempt.sent().combined.length > 1000);
  small.fill();
  writeOutside(go);
  const report = await attempt.report;
  // What the task could not write it had to bear itself; all that it could is named, and was sent.
  expect(report.ending).toMatchObject({ kind: 'exited' });
  expectSent(report, attempt.sent());
  const { stdout, combined } = attempt.sent();
  expect(stdout.toString()).toMatch(/^1\n2\n3\n/);
  expect(report.outputs!.combined.droppedBytes).toBeGreaterThan(0);
  expect(combined.toString()).toMatch(
    new RegExp(`output truncated: ${report.outputs!.combined.droppedBytes} bytes dropped\\]\\n$`),
  );
});

test('an attempt that finds no room to begin with fails for that', async (context) => {
  const { small, perform } = await openSlave(context);
  small.fill();
  const report = await perform({ argv: ['sh', '-c', 'echo never'] }).report;
  expect(report.ending).toMatchObject({ kind: 'failed', code: 'slave.full' });
});

test('a slave whose disk was full performs the next attempt when there is room', async (context) => {
  const { small, perform } = await openSlave(context);
  small.fill();
  await perform({ argv: ['true'], runId: 'r1' }).report;
  small.free();
  const report = await perform({ argv: ['sh', '-c', 'seq 5000'], runId: 'r2' }).report;
  expect(report.ending).toEqual({ kind: 'exited', code: 0 });
  expect(report.outputs?.combined.droppedBytes).toBe(0);
});

test('combined goes on where it stopped if room comes back while the task runs', async (context) => {
  const { small, perform, told } = await openSlave(context);
  const [go, on] = [join(root, 'go'), join(root, 'on')];
  const wait = (file: string) => `while [ ! -e ${file} ]; do sleep 0.02; done`;
  // Its stdout has the room that it needs; combined finds none.
  const script = `seq 3000; ${wait(go)}; seq 600; ${wait(on)}; seq 1000`;
  const attempt = perform({ argv: ['sh', '-c', script] });
  await until(
    () =>
      attempt.sent().combined.length === attempt.sent().stdout.length &&
      attempt.sent().stdout.length > 10_000,
  );
  small.fill();
  writeOutside(go);
  await until(() => told.includes('combined cannot be written'));
  small.free();
  writeOutside(on);
  const report = await attempt.report;
  expectSent(report, attempt.sent());
  expect(report.outputs!.combined.droppedBytes).toBe(0);
  expect(attempt.sent().combined.equals(attempt.sent().stdout)).toBe(true);
});

interface Performed {
  report: Promise<FinishedReport>;
  /** What the master was sent of each stream. */
  sent: () => Record<(typeof STREAMS)[number], Buffer>;
}

/** The real parts of a slave below a small disk, with a master that takes all. */
async function openSlave(context: TestContext) {
  const workDir = join(root, 'slave');
  const small = mountSmallDisk(workDir, '1m');
  if (!small) {
    console.warn('NOT TESTED: a full disk under a slave, because nothing can be mounted here');
    return context.skip();
  }
  disk = small;
  const clock = systemClock;
  const told: string[] = [];
  const warn: Log['warn'] = (_fields, text) => void told.push(text);
  const log: Log = { ...silentLog, child: () => log, warn };
  const lanes = await makeLanes({ clock, log, workRoot: workDir });
  executor = lanes;
  const none = {} as never;
  const workspaces = makeWorkspaces({ root: workDir, cache: none, git: none, clock, log });
  const spool = makeFileSpool(workDir);

  function perform(own: Partial<Assignment>): Performed {
    const sent = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), combined: Buffer.alloc(0) };
    const outputs = makeOutputs({
      clock,
      log,
      sink: {
        async append(_key, stream, offset, bytes) {
          expect(offset).toBeLessThanOrEqual(sent[stream].length);
          const fresh = bytes.subarray(sent[stream].length - offset);
          sent[stream] = Buffer.concat([sent[stream], fresh]);
        },
      },
    });
    const report = new Promise<FinishedReport>((onReport) => {
      const commandOf = ({ argv = [] }: Assignment) => ({ argv, env: { PATH } });
      const putArtifact = async () => {};
      const ports = { executor: lanes, workspaces, outputs, spool, clock, log };
      const all = { ...ports, commandOf, putArtifact };
      startAttempt(assignmentOf({ ...own }), all, { onPhase: () => {}, onReport });
    });
    return { report, sent: () => sent };
  }
  return { small, perform, told };
}

function expectSent({ outputs, inline }: FinishedReport, sent: Record<string, Buffer>): void {
  expect(inline).toBeUndefined();
  for (const stream of STREAMS) {
    const { bytes, sha256 } = outputs![stream];
    const digest = createHash('sha256').update(sent[stream]!).digest('hex');
    expect([stream, sent[stream]!.length, digest]).toEqual([stream, bytes, sha256]);
  }
}

function writeOutside(file: string): void {
  writeFileSync(file, '');
}
