import { expect, test } from 'vitest';
import { openAgent, settled } from '../../test/kit/agent.ts';
import { assignmentOf, makeGate, scriptedMachine } from '../../test/kit/slave-ports.ts';

test('it says hello once, and nothing else before the welcome, whatever happens meanwhile', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  slave.last().master.close('cut');
  await slave.pass(1_000);
  expect(slave.links).toHaveLength(2);
  slave.exit('r1.1', 3);
  await slave.pass(6_000);
  expect(slave.types()).toEqual(['hello']);
  await slave.welcome();
  expect(slave.types()).toEqual(['hello', 'finished']);
});

test('an assignment is accepted, carried out and reported', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign({ bundle: 'git+https://example.test/t@HEAD' });
  slave.exit('r1.1', 3);
  await settled();
  expect(slave.types()).toEqual(['hello', 'accept', 'progress', 'finished']);
  expect(slave.heard('finished')[0]).toMatchObject({
    token: 't1',
    ending: { kind: 'exited', code: 3 },
  });
});

test('a report is on disk when it is sent', async () => {
  const slave = openAgent();
  const gate = makeGate();
  slave.script.keepReport = () => gate.passed;
  await slave.start();
  await slave.welcome();
  await slave.assign();
  slave.exit('r1.1');
  await settled();
  expect(slave.heard('finished')).toEqual([]);
  gate.open();
  await settled();
  expect(slave.heard('finished')).toHaveLength(1);
  expect(slave.kept.get('r1.1')?.report).toBeDefined();
});

test('a repeated assign starts nothing twice and is not answered', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  await slave.assign();
  expect(slave.steps().filter((step) => step === 'start r1.1')).toHaveLength(1);
  // News that nobody waits for is held back for a moment.
  await slave.pass(10);
  expect(slave.types()).toEqual(['hello', 'progress']);
  slave.exit('r1.1');
  await settled();
  await slave.assign();
  expect(slave.steps().filter((step) => step === 'start r1.1')).toHaveLength(1);
});

test('what was refused is not taken when the same is heard again, but on another link it may be', async () => {
  const slave = openAgent({ slots: 1 });
  await slave.start();
  await slave.welcome();
  await slave.assign();
  await slave.assign({ runId: 'r2' });
  slave.exit('r1.1');
  await settled();
  await slave.assign({ runId: 'r2' });
  expect(slave.running()).toEqual([]);
  slave.last().master.close('gone');
  await slave.pass(1_000);
  await slave.welcome();
  await slave.assign({ runId: 'r2' });
  expect(slave.running()).toEqual(['r2.1']);
});

test('what is over its capacity is rejected; a finished attempt takes no slot', async () => {
  const slave = openAgent({ slots: 1 });
  await slave.start();
  await slave.welcome();
  await slave.assign();
  await slave.assign({ runId: 'r2' });
  expect(slave.heard('reject')).toMatchObject([{ runId: 'r2', reason: 'no slot free' }]);
  slave.exit('r1.1');
  await settled();
  await slave.assign({ runId: 'r3' });
  expect(slave.running()).toEqual(['r3.1']);
});

test('a report is repeated on every link until it is acknowledged, and then forgotten', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  slave.exit('r1.1', 3);
  await settled();
  for (let i = 0; i < 3; i++) {
    slave.last().master.close('cut');
    await slave.pass(1_000);
    const [hello] = slave.heard('hello');
    expect(hello?.held).toEqual([{ runId: 'r1', attempt: 1, token: 't1', phase: 'finished' }]);
    expect(hello?.reports).toMatchObject([{ runId: 'r1', ending: { code: 3 } }]);
    await slave.welcome();
  }
  await slave.say({ type: 'acknowledge', runId: 'r1', attempt: 1, stale: false });
  expect([slave.agent.attempts.size, slave.kept.size]).toEqual([0, 0]);
  slave.last().master.close('cut');
  await slave.pass(1_000);
  expect(slave.heard('hello')[0]).toMatchObject({ held: [], reports: [] });
});

test('a link that is cut stops nothing', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  slave.last().master.close('cut');
  slave.world.reachable = false;
  await slave.pass(120_000, 5_000);
  expect(slave.running()).toEqual(['r1.1']);
  slave.world.reachable = true;
  await slave.pass(6_000);
  expect(slave.heard('hello')[0]?.held).toMatchObject([{ phase: 'executing' }]);
});

test('a stop ends the attempt with grace, and its end is reported as aborted', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  await slave.say({ type: 'stop', runId: 'r1', attempt: 1 });
  expect(slave.steps().at(-1)).toBe('SIGTERM r1.1');
  await slave.pass(1_000);
  expect(slave.heard('finished')[0]?.ending).toEqual({ kind: 'aborted' });
  await slave.say({ type: 'stop', runId: 'nobody', attempt: 1 });
});

test('a stale attempt is killed and leaves nothing', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  await slave.say({ type: 'acknowledge', runId: 'r1', attempt: 1, stale: true });
  expect([slave.running(), slave.kept.size]).toEqual([[], 0]);
  expect(slave.steps().at(-1)).toBe('remove r1.1');
});

test('after a restart it takes up what runs, repeats what is reported, removes what was never begun', async () => {
  const machine = scriptedMachine();
  const report = { runId: 'r2', attempt: 1, token: 't1', artifacts: [], notes: [] };
  machine.kept.set('r1.1', { assignment: assignmentOf() });
  machine.kept.set('r2.1', {
    assignment: assignmentOf({ runId: 'r2' }),
    report: { ...report, ending: { kind: 'exited', code: 0 } },
  });
  machine.script.leftOver = ['r1.1', 'r2.1', 'r3.1'];
  machine.script.adopt = 'running';
  const slave = openAgent({ machine });
  await slave.start();
  expect(slave.steps()).toContain('remove r3.1');
  expect(slave.heard('hello')[0]?.held.map(({ runId }) => runId)).toEqual(['r1', 'r2']);
  expect(slave.heard('hello')[0]?.reports).toMatchObject([{ runId: 'r2' }]);
  await slave.welcome({ forget: [{ runId: 'r2', attempt: 1 }] });
  slave.exit('r1.1', 5);
  await settled();
  expect(slave.heard('finished').at(-1)).toMatchObject({ runId: 'r1', ending: { code: 5 } });
  expect([...slave.agent.attempts.keys()]).toEqual(['r1.1']);
});

test('what cannot be removed after a restart keeps a slave from nothing', async () => {
  const machine = scriptedMachine();
  machine.script.leftOver = ['r3.1'];
  machine.script.remove = () => Promise.reject(new Error('EIO: a disk failed'));
  const slave = openAgent({ machine });
  await slave.start();
  await slave.welcome();
  expect(slave.steps()).toContain('remove r3.1');
  expect(slave.agent.state).toBe('SERVING');
});

test('when it leaves it takes nothing more, and goes once its last report is acknowledged', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  const left = slave.agent.leave('maintenance', 60_000);
  await slave.assign({ runId: 'r2' });
  expect(slave.heard('reject')).toMatchObject([{ runId: 'r2', reason: 'leaving' }]);
  slave.exit('r1.1');
  await slave.pass(1_000);
  expect(slave.agent.state).toBe('SERVING');
  await slave.say({ type: 'acknowledge', runId: 'r1', attempt: 1, stale: false });
  await slave.pass(100);
  await left;
  expect(slave.agent.state).toBe('GONE');
  expect(slave.types().at(-1)).toBe('goodbye');
});

test('when it must leave it stops what runs and reports it as lost', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign();
  const left = slave.agent.leave('reboot', 1_000);
  await slave.pass(2_500);
  expect(slave.heard('finished')[0]?.ending).toEqual({ kind: 'lost', why: 'reboot' });
  await slave.pass(20_000);
  await left;
});

test('a slot is free only when the process that had it is dead: the next one waits for that', async () => {
  const slave = openAgent({ slots: 1 });
  const { signal } = slave.machine.ports.executor;
  slave.machine.ports.executor.signal = () => {};
  await slave.start();
  await slave.welcome();
  await slave.assign();
  await slave.say({ type: 'acknowledge', runId: 'r1', attempt: 1, stale: true });
  await slave.assign({ runId: 'r2' });
  expect([slave.running(), slave.heard('reject')]).toEqual([['r1.1'], []]);
  signal('r1.1', 'SIGKILL');
  await slave.pass(500);
  expect(slave.running()).toEqual(['r2.1']);
});

test('it sends outputs again that the master no longer has, then hands in the report again', async () => {
  const slave = openAgent();
  const gate = makeGate();
  await slave.start();
  await slave.welcome();
  slave.machine.script.bytes = 10;
  await slave.assign();
  slave.exit('r1.1', 0);
  await slave.pass(500);
  expect(slave.heard('finished')).toHaveLength(1);
  slave.last().master.close('output.digest');
  await slave.pass(1_000);
  expect(slave.heard('hello')[0]?.reports).toHaveLength(1);
  slave.machine.script.flushed = () => gate.passed;
  const held = { runId: 'r1', attempt: 1, sizes: { stdout: 4, stderr: 0, combined: 10 } };
  await slave.welcome({ held: [held] });
  await slave.pass(1_000);
  expect(slave.heard('finished')).toEqual([]);
  gate.open();
  await settled();
  expect(slave.heard('finished')).toMatchObject([{ ending: { kind: 'exited', code: 0 } }]);
});

test('an attempt whose outputs are whole neither here nor on the master is handed in as lost', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  slave.machine.script.bytes = 10;
  await slave.assign();
  slave.exit('r1.1', 0);
  await slave.pass(500);
  slave.last().master.close('output.digest');
  await slave.pass(1_000);
  slave.machine.script.bytes = 3;
  await slave.welcome({ held: [{ runId: 'r1', attempt: 1, sizes: {} }] });
  await settled();
  expect(slave.heard('finished')).toMatchObject([{ ending: { kind: 'lost' } }]);
  expect(slave.machine.kept.get('r1.1')?.report?.ending.kind).toBe('lost');
});

test('an attempt whose outputs cannot be sent again, for whatever reason, is handed in as lost', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  slave.machine.script.bytes = 10;
  await slave.assign();
  slave.exit('r1.1', 0);
  await slave.pass(500);
  slave.last().master.close('output.digest');
  await slave.pass(1_000);
  slave.machine.script.flushed = () => Promise.reject(new Error('EIO: a disk failed'));
  await slave.welcome({ held: [{ runId: 'r1', attempt: 1, sizes: {} }] });
  await settled();
  expect(slave.heard('finished')).toMatchObject([{ ending: { kind: 'lost' } }]);
});

test('a drain is noted before it is confirmed, outlives a restart, and ends with the word', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome({ protocol: '1.1' });
  await slave.say({ type: 'drain', note: 'disk', by: 'me' });
  expect([slave.script.drained, slave.heard('drained')]).toEqual([
    true,
    [{ type: 'drained', leaving: false }],
  ]);
  await slave.assign();
  expect(slave.heard('reject')).toMatchObject([{ runId: 'r1', reason: 'drained' }]);
  const next = openAgent({ machine: slave.machine });
  await next.start();
  expect(next.heard('hello')[0]?.draining).toBe(true);
  await next.welcome({ protocol: '1.1' });
  await next.assign();
  expect([next.script.drained, next.running()]).toEqual([false, ['r1.1']]);
});

test('a slave that leaves says so, and a master of 1.0 is not told what it does not know', async () => {
  const [fresh, old] = [openAgent(), openAgent()];
  for (const [slave, protocol] of [
    [fresh, '1.1'],
    [old, '1.0'],
  ] as const) {
    await slave.start();
    await slave.welcome({ protocol });
    await slave.assign();
    void slave.agent.leave('enough', 60_000);
    await settled();
  }
  expect(fresh.heard('drained')).toEqual([{ type: 'drained', leaving: true }]);
  expect(old.heard('drained')).toEqual([]);
});

test('an exclusive attempt is ended in time to be dead before the lease is over', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome({ heartbeatMs: 60_000 });
  await slave.assign({ exclusive: true, graceMs: 2_000 });
  await slave.pass(8_500);
  expect(slave.happened.filter((text) => text.includes('SIG'))).toEqual([]);
  await slave.pass(5_500);
  expect(slave.happened.filter((text) => text.includes('SIG'))).toEqual([
    '8850 SIGTERM r1.1',
    '10850 SIGKILL r1.1',
  ]);
  expect(slave.happened).toContain('0 guard r1.1 for 13850');
  expect(slave.heard('finished')).toMatchObject([{ ending: { kind: 'lost' } }]);
});

test('an answered beat moves on the end of an exclusive attempt', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.assign({ exclusive: true });
  await slave.pass(5_000);
  await slave.say({ type: 'renew', beat: 1 });
  await slave.pass(8_500);
  expect(slave.running()).toEqual(['r1.1']);
});
