import { expect, test } from 'vitest';
import { WELCOME, openAgent, settled } from '../../test/kit/agent.ts';
import { assignmentOf, makeGate } from '../../test/kit/slave-ports.ts';

/** It runs r1.1, lost the master that welcomed it so, and has said hello again. */
async function openAfterCut(welcome?: Parameters<ReturnType<typeof openAgent>['welcome']>[0]) {
  const slave = openAgent();
  await slave.start();
  await slave.welcome(welcome);
  await slave.assign();
  slave.last().master.close('cut');
  await slave.pass(1_000);
  return slave;
}

test('the backoff grows with each failed try and is capped', async () => {
  const slave = openAgent();
  slave.world.reachable = false;
  await slave.start();
  await slave.pass(60_000, 25);
  const waits = slave.tries.slice(1).map((at, index) => at - slave.tries[index]!);
  expect(waits.slice(0, 5)).toEqual([150, 300, 600, 1_200, 2_400]);
  expect(waits.slice(5).every((ms) => ms === 3_750)).toBe(true);
  expect(waits.length).toBeGreaterThan(10);
});

test('a welcome starts the backoff anew', async () => {
  const slave = openAgent();
  slave.world.reachable = false;
  await slave.start();
  await slave.pass(20_000, 100);
  slave.world.reachable = true;
  await slave.pass(5_000);
  await slave.welcome();
  const before = slave.tries.length;
  slave.last().master.close('cut');
  await slave.pass(200, 50);
  expect(slave.tries.length).toBe(before + 1);
});

test.each([
  ['hello.duplicate', 2_000],
  ['hello.arch', 30_000],
])('after the refusal %s it tries again in %s ms', async (code, ms) => {
  const slave = openAgent();
  await slave.start();
  await slave.say({ type: 'refuse', code, message: `${code}: no` });
  await slave.pass(ms - 100, 100);
  expect(slave.tries).toHaveLength(1);
  await slave.pass(100, 100);
  expect(slave.tries).toHaveLength(2);
});

test('it connects anew when two leases bring no welcome', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.pass(29_500);
  expect(slave.links).toHaveLength(1);
  await slave.pass(1_500);
  expect(slave.links).toHaveLength(2);
  expect(slave.links[0]!.closed).toContain('hello.silent');
  await slave.welcome({ leaseMs: 1_000 });
  slave.last().master.close('cut');
  await slave.pass(4_000);
  expect(slave.links).toHaveLength(4);
});

test('it beats while it is welcomed, and connects anew after a lease without an answer', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome();
  await slave.pass(5_000);
  await slave.say({ type: 'renew', beat: 1 });
  // From the beat that was answered, less what clocks may differ.
  await slave.pass(14_500);
  expect(slave.heard('heartbeat').map(({ beat }) => beat)).toEqual([1, 2, 3]);
  expect(slave.links).toHaveLength(1);
  await slave.pass(1_000);
  expect(slave.links[0]?.closed).toContain('lease.silent');
  expect(slave.links).toHaveLength(2);
});

test('a master of an older epoch than one seen before is not served', async () => {
  const slave = openAgent();
  slave.script.epoch = 7;
  await slave.start();
  expect(slave.heard('hello')[0]?.masterEpoch).toBe(7);
  await slave.welcome({ masterEpoch: 6 });
  expect(slave.agent.state).toBe('WAITING');
  expect(slave.links[0]?.closed).toBeDefined();
  await slave.pass(1_000);
  await slave.welcome({ masterEpoch: 8 });
  expect([slave.agent.state, slave.script.epoch]).toEqual(['SERVING', 8]);
});

test('a deposed master cannot have an attempt forgotten', async () => {
  const slave = await openAfterCut({ masterEpoch: 7 });
  await slave.welcome({ masterEpoch: 6, forget: [{ runId: 'r1', attempt: 1 }] });
  expect(slave.running()).toEqual(['r1.1']);
});

test('a deposed master is not heard before its welcome, nor behind it', async () => {
  const slave = await openAfterCut({ masterEpoch: 7 });
  await slave.say(
    { type: 'acknowledge', runId: 'r1', attempt: 1, stale: true },
    { ...WELCOME, masterEpoch: 6 },
    { type: 'assign', ...assignmentOf({ runId: 'r2' }) },
  );
  expect(slave.running()).toEqual(['r1.1']);
});

test('what a master says before its welcome is heard with it', async () => {
  const slave = await openAfterCut();
  await slave.say({ type: 'acknowledge', runId: 'r1', attempt: 1, stale: true });
  expect(slave.running()).toEqual(['r1.1']);
  await slave.welcome();
  expect(slave.running()).toEqual([]);
});

test('a link that opens after it has left is closed', async () => {
  const slave = openAgent();
  const gate = makeGate();
  slave.world.gate = gate.passed;
  await slave.start();
  const left = slave.agent.leave('over', 0);
  await slave.pass(100);
  await left;
  gate.open();
  await settled();
  expect(slave.links[0]?.closed).toBeDefined();
});

test('a welcome that comes after its lease is over is not taken: it says hello anew', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.pass(15_500);
  await slave.welcome();
  await slave.pass(500);
  expect([slave.agent.state, slave.links.length]).toEqual(['GREETING', 2]);
  await slave.welcome();
  expect(slave.agent.state).toBe('SERVING');
});

test('what comes after the lease is over is not heard: it may have been taken back since', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome({ heartbeatMs: 60_000 });
  await slave.pass(15_500);
  await slave.assign();
  expect(slave.running()).toEqual([]);
  expect(slave.links[0]?.closed).toContain('lease.silent');
});

test('it waits no longer between connections than a third of the lease', async () => {
  const slave = openAgent();
  await slave.start();
  await slave.welcome({ leaseMs: 900 });
  slave.world.reachable = false;
  slave.last().master.close('cut');
  await slave.pass(10_000, 50);
  const waits = slave.tries.map((at, i) => at - (slave.tries[i - 1] ?? at));
  expect(Math.max(...waits)).toBeLessThanOrEqual(300);
});
