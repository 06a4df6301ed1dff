import { expect, test } from 'vitest';
import type { RunContext } from '../machines/run-context.ts';
import { runStatus } from '../protocol/run.ts';
import type { Ending } from '../protocol/run.ts';
import type { RunRecord } from './records.ts';
import { historyOf, slaveStatusOf, statusOf } from './status.ts';

const limits = { retries: 0, backoffMs: 1, backoffMaxMs: 1 };

function recordOf(state: string, own: Partial<RunContext> = {}): RunRecord {
  return {
    id: 'r1',
    state,
    context: {
      limits: { ...limits, timeoutMs: 0, queueTimeoutMs: 0, graceMs: 0, lostMax: 5 },
      attempt: 1,
      settled: 0,
      failures: 0,
      lost: 0,
      blockers: [],
      ahead: false,
      ...own,
    },
    facts: {
      labels: {},
      resources: {},
      isolation: 'none',
      priority: 0,
      exclusive: false,
      bundle: 'fs-1',
      createdAt: 0,
    },
    events: [1],
  };
}

const statusIn = (state: string, own: Partial<RunContext> = {}) =>
  statusOf(recordOf(state, own), 'http://m');

test('what is not valid in a state is absent', () => {
  expect(statusIn('PENDING.queued')).toEqual({
    runId: 'r1',
    state: 'PENDING',
    substate: 'queued',
    attempt: 1,
    failures: 0,
    lost: 0,
    priority: 0,
    createdAt: '1970-01-01T00:00:00.000Z',
  });
  const reason = { reason: 'exited 3' as const, error: 'x', startedAt: 1 };
  expect(statusIn('RUNNING.executing', reason)).not.toHaveProperty('reason');
  expect(statusIn('RUNNING.executing', reason)).not.toHaveProperty('error');
  expect(statusIn('TIMEDOUT', reason)).not.toHaveProperty('error');
  expect(statusIn('RUNNING.executing', reason).stdoutRef).toBe('http://m/runs/r1/outputs/stdout');
});

test.each<[Ending, number, string | undefined]>([
  [{ kind: 'exited', code: 3 }, 3, undefined],
  [{ kind: 'signalled', signal: 'SIGKILL' }, 137, 'SIGKILL'],
  [{ kind: 'signalled', signal: 'SIGTERM' }, 143, 'SIGTERM'],
])('after %j the exit code is %s and the signal %s', (ending, exitCode, signal) => {
  const status = statusIn('COMPLETE', { ending, startedAt: 1, finishedAt: 2 });
  expect([status.exitCode, status.signal, status.snapshotId]).toEqual([exitCode, signal, 'fs-1']);
});

test('a status is what its schema says, with references that can be followed', () => {
  const artifacts = [{ name: 'a dir/x?.txt', bytes: 1, sha256: '0'.repeat(64) }];
  const status = statusIn('COMPLETE', { artifacts, finishedAt: 1 });
  expect(runStatus.parse(status)).toEqual(status);
  expect(status.artifacts?.[0]?.ref).toBe('http://m/runs/r1/artifacts/a%20dir/x%3F.txt');
});

test('the history never shows a token', () => {
  const event = { type: 'run.granted', at: 0, slave: 's1', token: 'secret' };
  const told = historyOf({ seq: 4, run: 'r1', n: 2, by: 'scheduler', state: 'PENDING', event });
  expect(told).toMatchObject({ seq: 4, runId: 'r1', n: 2, detail: { slave: 's1' } });
  expect(JSON.stringify(told)).not.toContain('secret');
});

test('a slave tells which runs it has, whatever their ids look like', () => {
  const facts = { arch: 'x86_64', labels: {}, slots: 2, resources: {}, isolations: [] };
  const slave = {
    name: 's1',
    state: 'ONLINE',
    context: { losses: 1, drain: { by: 'me', note: 'n', at: 0, untilAt: 1_000 } },
    facts: { ...facts, version: '1', host: 'h' },
  };
  const used = new Map([
    ['r1.2', {}],
    ['r-2.10', {}],
  ]);
  const room = { name: 's1', ...slave.facts, online: true, draining: true, used };
  expect(slaveStatusOf(slave, room)).toMatchObject({
    used: 2,
    runs: ['r1', 'r-2'],
    drain: { since: '1970-01-01T00:00:00.000Z', until: '1970-01-01T00:00:01.000Z' },
  });
});

test('a run that is tried again shows no signal of the try before', () => {
  const ending: Ending = { kind: 'signalled', signal: 'SIGKILL' };
  expect(statusIn('PENDING.backoff', { ending })).not.toHaveProperty('signal');
});
