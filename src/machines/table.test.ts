import fc from 'fast-check';
import { expect, test } from 'vitest';
import { initialTransition, transition } from 'xstate';
import type { AnyStateMachine } from 'xstate';
import { agentMachine } from './agent.ts';
import { jobMachine } from './job.ts';
import { runMachine } from './run.ts';
import type { RunEvent } from './run-context.ts';
import { slaveMachine } from './slave.ts';
import { deriveTable } from './table.ts';

const EFFECTS_OF_XSTATE = new Set(['xstate.assign']);

/** Walks both with the same events; every state, context and effect must agree at every step. */
function walk(machine: AnyStateMachine, input: unknown, events: readonly { type: string }[]) {
  const table = deriveTable(machine);
  let [snapshot] = initialTransition(machine, input as never);
  let state = pathOf(snapshot.value);
  let context: unknown = snapshot.context;
  const visited = [state];
  for (const event of events) {
    const decision = table.decide(state, context, event);
    if (snapshot.status === 'done') {
      expect(decision).toBeUndefined();
      continue;
    }
    const [next, actions] = transition(machine, snapshot, event as never);
    const named = actions
      .map((action) => action.type)
      .filter((type) => !EFFECTS_OF_XSTATE.has(type));
    expect(pathOf(next.value)).toBe(decision?.state ?? state);
    expect(next.context).toEqual(decision?.context ?? context);
    expect(named).toEqual(decision?.effects ?? []);
    [snapshot, state, context] = [next, decision?.state ?? state, decision?.context ?? context];
    visited.push(state);
  }
  return visited;
}

function pathOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[key, inner] = ['', '']] = Object.entries(value as object);
  return `${key}.${pathOf(inner)}`;
}

const at = fc.integer({ min: 0, max: 100_000 });
/** Mostly the first, so that walks get far. */
const attempt = fc.constantFrom(1, 1, 1, 1, 2, 0);
const slave = fc.constantFrom('s1', 's1', 's1', 's2');
const ending = fc.oneof(
  fc.record({ kind: fc.constant('exited'), code: fc.constantFrom(0, 1, 3) }),
  fc.record({ kind: fc.constant('signalled'), signal: fc.constant('SIGKILL') }),
  fc.record({ kind: fc.constant('timedOut'), which: fc.constantFrom('run', 'output') }),
  fc.record({ kind: fc.constant('aborted') }),
  fc.record({ kind: fc.constant('lost'), why: fc.constant('gone') }),
  fc.record({
    kind: fc.constant('failed'),
    code: fc.constant('slave.exec'),
    why: fc.constant('x'),
  }),
);
const runEvent: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({ type: fc.constant('run.unblocked'), at, blocker: fc.constantFrom('a', 'b') }),
  fc.record({
    type: fc.constant('run.blockerFailed'),
    at,
    blocker: fc.constant('a'),
    why: fc.constant('w'),
  }),
  fc.record({
    type: fc.constantFrom('run.held', 'run.released'),
    at,
    by: fc.constant('me'),
    note: fc.constant('n'),
  }),
  fc.record({ type: fc.constant('run.granted'), at, slave, token: fc.constant('t') }),
  fc.record({
    type: fc.constantFrom(
      'attempt.accepted',
      'attempt.executing',
      'attempt.collecting',
      'attempt.adopted',
    ),
    at,
    attempt,
    slave,
  }),
  fc.record({
    type: fc.constantFrom('attempt.rejected', 'slave.lost'),
    at,
    attempt,
    slave,
    why: fc.constant('w'),
  }),
  fc.record({
    type: fc.constant('attempt.finished'),
    at,
    attempt,
    slave,
    ending,
    jitter: fc.constantFrom(0, 0.5),
  }),
  fc.record({
    type: fc.constant('abort.requested'),
    at,
    by: fc.constant('me'),
    why: fc.constant(''),
  }),
  fc.record({
    type: fc.constantFrom(
      'queue.expired',
      'backoff.over',
      'run.overdue',
      'stop.overdue',
      'nonsense',
    ),
    at,
  }),
) as fc.Arbitrary<RunEvent>;

test('the table of the run machine agrees with xstate on every event in every state it meets', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      fc.record({ blockers: fc.subarray(['a', 'b']), held: fc.boolean(), retries: fc.nat(2) }),
      fc.array(runEvent, { maxLength: 40 }),
      ({ blockers, held, retries }, events) => {
        const limits = {
          retries,
          backoffMs: 100,
          backoffMaxMs: 1000,
          timeoutMs: 10,
          queueTimeoutMs: 10,
          graceMs: 10,
          lostMax: 1,
        };
        const input = { limits, blockers, hold: held ? { by: 'me', note: '' } : undefined };
        const submitted = { type: 'run.submitted', at: 0 } as const;
        for (const state of walk(runMachine, input, [submitted, ...events])) seen.add(state);
      },
    ),
    { numRuns: 4000, seed: 1 },
  );
  expect([...seen].sort()).toEqual([...deriveTable(runMachine).states].sort());
}, 60_000);

test('the table of the slave machine agrees with xstate', () => {
  const event = fc.record({
    type: fc.constantFrom(
      'slave.welcomed',
      'slave.disconnected',
      'slave.left',
      'lease.expired',
      'drain.requested',
      'resume.requested',
      'drain.expired',
    ),
    at,
    incarnation: fc.constant('i'),
    why: fc.constant('w'),
    by: fc.constant('me'),
    note: fc.constant('n'),
  });
  fc.assert(fc.property(fc.array(event), (events) => void walk(slaveMachine, undefined, events)));
});

test('the table of the job machine agrees with xstate', () => {
  const event = fc.record({
    type: fc.constantFrom('job.runStarted', 'job.runEnded', 'job.abortRequested'),
    at,
    ok: fc.boolean(),
    by: fc.constant('me'),
    why: fc.constant('w'),
  });
  fc.assert(fc.property(fc.array(event), (events) => void walk(jobMachine, { total: 3 }, events)));
});

test('the table of the agent machine agrees with xstate', () => {
  const event = fc.record({
    type: fc.constantFrom(
      'link.opened',
      'link.closed',
      'welcome.received',
      'refusal.received',
      'retry.due',
      'leave.requested',
      'attempts.over',
    ),
    masterEpoch: fc.integer({ min: 1, max: 3 }),
    why: fc.constant('w'),
    code: fc.constant('c'),
  });
  fc.assert(
    fc.property(fc.array(event), (events) => void walk(agentMachine, { masterEpoch: 2 }, events)),
  );
});
