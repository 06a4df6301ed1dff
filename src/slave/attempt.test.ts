import { describe, expect, test } from 'vitest';
import {
  artifactOf,
  assignmentOf,
  makeGate,
  scriptedMachine,
  workspaceOf,
} from '../../test/kit/slave-ports.ts';
import { YardError } from '../base/errors.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import type { Assignment } from '../protocol/to-slave.ts';
import { startAttempt } from './attempt.ts';
import type { AttemptPorts } from './attempt.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

type Machine = ReturnType<typeof scriptedMachine>;

function start(machine: Machine, own: Partial<Assignment> = {}, resumed = false) {
  const phases: string[] = [];
  const reports: FinishedReport[] = [];
  const attempt = startAttempt(
    assignmentOf(own),
    machine.ports,
    {
      onPhase: (phase) => void phases.push(phase),
      onReport(report) {
        machine.happened.push(`${machine.clock.now()} report`);
        reports.push(report);
      },
    },
    resumed ? { workspace: workspaceOf('r1.1') } : undefined,
  );
  return { attempt, phases, reports };
}

test('an attempt prepares, is journalled, starts, is settled, spooled, and only then reported', async () => {
  const machine = scriptedMachine();
  const { phases, reports, attempt } = start(machine);
  await settled();
  machine.exit('r1.1', 3);
  await settled();
  expect(machine.steps()).toEqual([
    'prepared r1.1',
    'keep assignment r1.1',
    'start r1.1',
    'settle r1.1',
    'keep report r1.1',
    'report',
  ]);
  expect(phases).toEqual(['executing']);
  expect(reports[0]).toMatchObject({ runId: 'r1', attempt: 1, token: 't1' });
  expect(reports[0]?.ending).toEqual({ kind: 'exited', code: 3 });
  expect(attempt.phase).toBe('finished');
});

test('no report is handed on before it is on disk', async () => {
  const machine = scriptedMachine();
  const gate = makeGate();
  machine.script.keepReport = () => gate.passed;
  const { reports, attempt } = start(machine);
  await settled();
  machine.exit('r1.1');
  await settled();
  expect([reports, attempt.report]).toEqual([[], undefined]);
  gate.open();
  await settled();
  expect(reports).toHaveLength(1);
});

test('a stop sends SIGTERM at once and SIGKILL after the grace, not before', async () => {
  const machine = scriptedMachine();
  const { attempt, reports, phases } = start(machine);
  await settled();
  attempt.stop({ kind: 'aborted' });
  attempt.stop({ kind: 'lost', why: 'repeated' });
  expect(machine.steps().at(-1)).toBe('SIGTERM r1.1');
  machine.clock.advance(999);
  expect(machine.steps().filter((step) => step.startsWith('SIG'))).toEqual(['SIGTERM r1.1']);
  machine.clock.advance(1);
  expect(machine.happened.at(-1)).toBe('1000 SIGKILL r1.1');
  await settled();
  expect(reports[0]?.ending).toEqual({ kind: 'aborted' });
  expect(phases).toEqual(['executing', 'stopping']);
});

test('a process that ends within the grace is not killed', async () => {
  const machine = scriptedMachine();
  const { attempt } = start(machine);
  await settled();
  attempt.stop({ kind: 'aborted' });
  machine.exit('r1.1', 0);
  await settled();
  machine.clock.advance(10_000);
  expect(machine.steps()).not.toContain('SIGKILL r1.1');
});

test('the run timeout counts from the start of preparation', async () => {
  const machine = scriptedMachine();
  const gate = makeGate();
  machine.script.prepare = () => gate.passed;
  const { reports } = start(machine, { timeoutMs: 5_000 });
  machine.clock.advance(3_000);
  gate.open();
  await settled();
  machine.clock.advance(1_999);
  expect(machine.steps()).not.toContain('SIGTERM r1.1');
  machine.clock.advance(1);
  expect(machine.happened.at(-1)).toBe('5000 SIGTERM r1.1');
  machine.end('r1.1', { kind: 'signalled', signal: 'SIGTERM' });
  await settled();
  expect(reports[0]?.ending).toEqual({ kind: 'timedOut', which: 'run' });
});

test('the output timeout counts from the last byte, and from the start where there was none', async () => {
  const machine = scriptedMachine();
  const { reports } = start(machine, { outputTimeoutMs: 1_000 });
  await settled();
  machine.clock.advance(700);
  machine.script.lastOutputAt = 700;
  machine.clock.advance(999);
  expect(machine.steps()).not.toContain('SIGTERM r1.1');
  machine.clock.advance(1);
  expect(machine.happened.at(-1)).toBe('1700 SIGTERM r1.1');
  machine.end('r1.1', { kind: 'signalled', signal: 'SIGTERM' });
  await settled();
  expect(reports[0]?.ending).toEqual({ kind: 'timedOut', which: 'output' });
});

test('a stop cuts the preparation short, and nothing is started', async () => {
  const machine = scriptedMachine();
  machine.script.prepare = (_, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  const { attempt, reports } = start(machine);
  await settled();
  attempt.stop({ kind: 'aborted' });
  await settled();
  expect(machine.steps()).toEqual(['keep report r1.1', 'report']);
  expect(reports[0]?.ending).toEqual({ kind: 'aborted' });
});

test('a preparation that fails is the ending, with its code', async () => {
  const machine = scriptedMachine();
  machine.script.prepare = () => Promise.reject(new YardError('bundle.digest', 'other bytes'));
  const { reports } = start(machine);
  await settled();
  expect(reports[0]?.ending).toMatchObject({ kind: 'failed', code: 'bundle.digest' });
});

test('a process that cannot start is a failure of the mechanism', async () => {
  const machine = scriptedMachine();
  const { reports } = start(machine);
  await settled();
  machine.end('r1.1', { kind: 'unstartable', why: 'ENOENT' });
  await settled();
  expect(reports[0]?.ending).toMatchObject({ kind: 'failed', code: 'slave.exec' });
});

test('what a task left behind is told in a note', async () => {
  const machine = scriptedMachine();
  machine.script.leftBehind = 2;
  const { reports } = start(machine);
  await settled();
  machine.exit('r1.1');
  await settled();
  expect(reports[0]?.notes).toEqual(['output.pipe_held: 2 processes were left behind']);
});

test('an attempt that wrote something is reported when all of it has arrived', async () => {
  const machine = scriptedMachine();
  const gate = makeGate();
  machine.script.bytes = 9;
  machine.script.flushed = () => gate.passed;
  const { reports, phases } = start(machine);
  await settled();
  machine.exit('r1.1');
  await settled();
  expect([phases, reports]).toEqual([['executing', 'collecting'], []]);
  gate.open();
  await settled();
  expect(reports[0]?.outputs?.stdout.bytes).toBe(9);
});

test('a discarded attempt is killed at once, reports nothing and leaves nothing', async () => {
  const machine = scriptedMachine();
  const { attempt, reports } = start(machine);
  await settled();
  await attempt.discard();
  expect(machine.steps().slice(-4)).toEqual([
    'SIGTERM r1.1',
    'SIGKILL r1.1',
    'settle r1.1',
    'remove r1.1',
  ]);
  expect([reports, machine.kept.size]).toEqual([[], 0]);
});

test('a process that outlived the slave is taken over, not started again', async () => {
  const machine = scriptedMachine();
  machine.script.adopt = 'running';
  const { reports } = start(machine, {}, true);
  await settled();
  machine.exit('r1.1', 4);
  await settled();
  expect(machine.steps()).not.toContain('start r1.1');
  expect(reports[0]?.ending).toEqual({ kind: 'exited', code: 4 });
});

test('a process of which nobody can say how it ended is reported lost at once', async () => {
  const machine = scriptedMachine();
  const { reports } = start(machine, {}, true);
  await settled();
  expect(reports[0]?.ending).toMatchObject({ kind: 'lost' });
});

test('a stop just before the start leaves no process behind that ignores SIGTERM', async () => {
  const machine = scriptedMachine();
  const gate = makeGate();
  machine.script.keepAssignment = () => gate.passed;
  const { attempt } = start(machine);
  await settled();
  attempt.stop({ kind: 'aborted' });
  gate.open();
  await settled();
  machine.clock.advance(60_000);
  await settled();
  expect(machine.running()).toEqual([]);
});

test('a task that ended in time has not timed out because its outputs arrived late', async () => {
  const machine = scriptedMachine();
  const gate = makeGate();
  machine.script.bytes = 9;
  machine.script.flushed = () => gate.passed;
  const { reports } = start(machine, { timeoutMs: 5_000 });
  await settled();
  machine.exit('r1.1', 0);
  await settled();
  machine.clock.advance(60_000);
  gate.open();
  await settled();
  expect(reports[0]?.ending).toEqual({ kind: 'exited', code: 0 });
});

test('a report that cannot be spooled is still reported, or the attempt is told to be lost', async () => {
  const machine = scriptedMachine();
  machine.script.keepReport = () => Promise.reject(new Error('ENOSPC'));
  const { reports } = start(machine);
  await settled();
  machine.exit('r1.1', 0);
  await settled();
  expect(reports).toHaveLength(1);
});

describe('a stop while artifacts are sent', () => {
  const away = new YardError('net.unreachable', 'nobody there');

  async function sending(putArtifact: AttemptPorts['putArtifact'], own: Partial<Assignment> = {}) {
    const machine = scriptedMachine();
    machine.script.artifacts = [artifactOf('a'), artifactOf('b')];
    machine.ports.putArtifact = putArtifact;
    const started = start(machine, own);
    await settled();
    return { machine, ...started };
  }

  /** The first is sent at once, the second never. */
  const stuckAtSecond: AttemptPorts['putArtifact'] = async (_assignment, { name }, signal) => {
    if (name === 'a') return;
    await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(away), { once: true });
    });
  };

  test('leaves out what was not sent by then, and says so', async () => {
    const { machine, attempt, reports } = await sending(stuckAtSecond);
    machine.exit('r1.1', 0);
    await settled();
    expect(reports).toEqual([]);
    attempt.stop({ kind: 'aborted' });
    await settled();
    expect(reports[0]?.ending).toEqual({ kind: 'aborted' });
    expect(reports[0]?.artifacts.map(({ name }) => name)).toEqual(['a']);
    expect(reports[0]?.notes).toEqual([
      'artifact.unsent: 1 of 2 artifacts had not been sent when the attempt was stopped',
    ]);
  });

  test('does not wait for a master that is away', async () => {
    const { machine, attempt, reports } = await sending(() => Promise.reject(away));
    machine.exit('r1.1', 0);
    await settled();
    attempt.stop({ kind: 'aborted' });
    await settled();
    expect(reports[0]?.artifacts).toEqual([]);
  });

  test('counts also for an attempt that had timed out before, whose ending stays', async () => {
    const { machine, attempt, reports } = await sending(stuckAtSecond, { timeoutMs: 5_000 });
    machine.clock.advance(5_000);
    machine.end('r1.1', { kind: 'signalled', signal: 'SIGTERM' });
    await settled();
    attempt.stop({ kind: 'aborted' });
    await settled();
    expect(reports[0]?.ending).toEqual({ kind: 'timedOut', which: 'run' });
    expect(reports[0]?.artifacts).toHaveLength(1);
  });

  test('does nothing if it only repeats the one that ended the process', async () => {
    const { machine, attempt, reports } = await sending(stuckAtSecond);
    attempt.stop({ kind: 'aborted' });
    machine.end('r1.1', { kind: 'signalled', signal: 'SIGTERM' });
    await settled();
    attempt.stop({ kind: 'aborted' });
    await settled();
    expect(reports).toEqual([]);
  });

  test('a discarded attempt waits neither for artifacts nor for outputs', async () => {
    const { machine, attempt } = await sending(stuckAtSecond);
    attempt.stop({ kind: 'aborted' });
    machine.end('r1.1', { kind: 'signalled', signal: 'SIGTERM' });
    await settled();
    await attempt.discard();

    const other = scriptedMachine();
    other.script.bytes = 9;
    other.script.flushed = () => makeGate().passed;
    const second = start(other);
    await settled();
    other.exit('r1.1', 0);
    await settled();
    await second.attempt.discard();
    expect([machine.steps().at(-1), other.steps().at(-1)]).toEqual(['remove r1.1', 'remove r1.1']);
  });
});

test('an attempt that is stopping does not say that it is executing', async () => {
  const machine = scriptedMachine();
  machine.script.adopt = 'running';
  const { attempt, phases } = start(machine, {}, true);
  attempt.stop({ kind: 'aborted' });
  await settled();
  expect(phases).toEqual(['stopping']);
});
