import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import type { RunStatus } from '../../src/protocol/run.ts';
import { startCluster } from '../kit/cluster.ts';
import { drawFrom } from '../sim/draw.ts';
import type { Answer } from '../sim/oracles/oracle.ts';
import { judge } from './judge.ts';
import type { Evidence } from './judge.ts';
import { drawTask } from './tasks.ts';
import type { Task } from './tasks.ts';

/** What a calm yard leaves behind, with which each test does something. */
let root: string;
let pristine: string;
let evidence: Evidence;
const done: RunStatus[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'runyard-judge-test-'));
  pristine = join(root, 'pristine');
  const marks = join(root, 'marks');
  mkdirSync(pristine);
  mkdirSync(marks);
  const draw = drawFrom(seededRandom('judge'));
  const tasks: Task[] = [];
  const answers: Answer[] = [];
  const cluster = await startCluster();
  try {
    await cluster.startSlave('s1', { slots: 2 });
    for (let index = 1; index <= 4; index++) {
      const task = drawTask(index, marks, draw.fork(String(index)));
      tasks.push(task);
      const [runId] = await cluster.submit(task.request);
      answers.push({ kind: 'submitted', index, runId: runId! });
      const status = await cluster.done(runId!);
      answers.push({ kind: 'status', status });
      done.push(status);
    }
    await cluster.master.stop();
    cpSync(join(cluster.root, 'state'), pristine, { recursive: true });
    cpSync(join(cluster.root, 'blobs'), join(pristine, 'blobs'), { recursive: true });
  } finally {
    await cluster.stop();
  }
  evidence = {
    state: pristine,
    marks,
    scratch: root,
    answers,
    tasks,
    slots: 2,
    isMasterOnly: true,
  };
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

let marks: string;
beforeEach(() => {
  marks = mkdtempSync(join(root, 'marks-'));
  cpSync(evidence.marks, marks, { recursive: true });
});

async function violationsOf(more: Partial<Evidence> = {}): Promise<string[]> {
  return (await judge({ ...evidence, marks, ...more })).violations;
}

const noteMark = (line: string) => appendFileSync(join(marks, 's1'), `${line}\n`);

test('what went well is found to have', async () => {
  const verdict = await judge(evidence);
  expect(verdict).toMatchObject({ violations: [], runs: 4 });
  expect(verdict.started).toBe(done.reduce((sum, { attempt }) => sum + attempt!, 0));
});

test('an attempt that ran twice is noticed, and one that was never granted', async () => {
  const [{ runId }] = done as [RunStatus];
  noteMark(`start ${runId}.1 9000000000000000000`);
  noteMark(`start ${runId}.7 9000000000000000001`);
  const found = (await violationsOf()).join('\n');
  expect(found).toMatch(/^S11: \w+\.1 was started twice$/m);
  expect(found).toMatch(/^S14: \w+\.7 was started and never granted$/m);
});

test('more processes than slots are noticed', async () => {
  const text = readFileSync(join(marks, 's1'), 'utf8');
  // All of them begin before the first has ended.
  const starts = text.replaceAll(/^(start \S+) \d+$/gm, '$1 1');
  writeFileSync(join(marks, 's1'), starts);
  expect((await violationsOf({ slots: 1 })).join('\n')).toMatch(/^S13: \d processes live on s1$/m);
});

test('an end that no task left is noticed, and an output that it did not write', async () => {
  writeFileSync(
    join(marks, 's1'),
    readFileSync(join(marks, 's1'), 'utf8').replaceAll(/end:\d+/g, 'end:77'),
  );
  const tasks = evidence.tasks.map((task) => ({ ...task, sha256: '0'.repeat(64) }));
  const found = (await violationsOf({ tasks })).join('\n');
  expect(found).toMatch(/^S5: \S+ is recorded to have exited \d, its mark says end:77$/m);
  expect(found).toMatch(/^S6: stdout of run \w+ is not what the task wrote$/m);
});

test('a run that was accepted and is gone is noticed, and one that was told to be otherwise', async () => {
  const [first] = done as [RunStatus];
  const answers: Answer[] = [
    { kind: 'submitted', index: 99, runId: 'gone' },
    { kind: 'status', status: { ...first, state: 'FAILED' } },
  ];
  const found = (await violationsOf({ answers })).join('\n');
  expect(found).toMatch(/^S2: run gone was accepted and is not there$/m);
  expect(found).toMatch(/^S16: run \w+ is told to be FAILED, on disk it is COMPLETE$/m);
});

test('a damaged state is noticed', async () => {
  const state = join(root, 'damaged');
  cpSync(pristine, state, { recursive: true });
  const { runId, attempt } = done.find(({ state: its }) => its === 'COMPLETE')!;
  rmSync(join(state, 'blobs', 'o', runId, String(attempt), 'stdout'));
  expect((await violationsOf({ state })).join('\n')).toMatch(/^fsck\.output_missing: /m);
});
