import { expect, test } from 'vitest';
import type { RunContext, RunEffect, RunEvent } from './run-context.ts';
import {
  accepted,
  at,
  exited3,
  finished,
  givenBack,
  granted,
  held,
  limits,
  onSlave,
  retries,
} from './run-fixture.ts';
import { runMachine } from './run.ts';
import { deriveTable } from './table.ts';

const table = deriveTable<RunContext, RunEvent, RunEffect>(runMachine);

function play(context: RunContext, ...events: RunEvent[]) {
  let now = { state: 'PENDING.queued', context };
  for (const event of events) now = table.decide(now.state, now.context, event) ?? now;
  return now;
}

/** Grants the next attempt and loses its slave. */
function loss(attempt: number): RunEvent[] {
  return [
    { ...granted, slave: `s${attempt}` },
    { type: 'attempt.accepted', at, attempt, slave: `s${attempt}` },
    { type: 'slave.lost', at, attempt, slave: `s${attempt}`, why: 'lease over' },
  ];
}

const fresh: RunContext = { ...onSlave, attempt: 0, slave: undefined, token: undefined };

test('a run that loses lostMax slaves in a row ends FAILED', () => {
  const { state } = play(fresh, ...[1, 2, 3, 4, 5].flatMap(loss));
  expect(state).toBe('FAILED');
});

test('a run that loses one slave less than lostMax is queued again', () => {
  const { state, context } = play(fresh, ...[1, 2, 3, 4].flatMap(loss));
  expect(state).toBe('PENDING.queued');
  expect(context).toMatchObject({ lost: 4, attempt: 4, failures: 0, ahead: true });
});

test('losses before an attempt that was reported are not in a row with later ones', () => {
  const patient = { ...fresh, limits: { ...limits, retries: 9, lostMax: 4 } };
  const failure: RunEvent[] = [
    { ...granted, slave: 's4' },
    { type: 'attempt.accepted', at, attempt: 4, slave: 's4' },
    { ...finished({ kind: 'exited', code: 1 }, 4), slave: 's4' },
    { type: 'backoff.over', at },
  ];
  const { context } = play(patient, ...[1, 2, 3].flatMap(loss), ...failure);
  expect(context.lost).toBe(0);
});

test('a run held after a loss keeps its retries when the lost attempt reports a failure', () => {
  const { state } = play({ ...onSlave, ...retries }, held, exited3);
  expect(state.startsWith('PENDING')).toBe(true);
});

test('a run held after a loss does not fail when its old slave gives it back', () => {
  const { state } = play(onSlave, held, givenBack);
  expect(state.startsWith('PENDING')).toBe(true);
});

test('a late result of a lost attempt counts until a newer attempt is granted', () => {
  const lostOnce = play(fresh, ...loss(1));
  const late = finished({ kind: 'exited', code: 0 });
  expect(table.decide(lostOnce.state, lostOnce.context, late)?.state).toBe('COMPLETE');
  const regranted = play(fresh, ...loss(1), { ...granted, slave: 's2' });
  expect(table.decide(regranted.state, regranted.context, late)).toBeUndefined();
});

test('the same failure reported twice is counted once', () => {
  const patient = { ...fresh, limits: { ...limits, retries: 3 } };
  const { context } = play(patient, { ...granted, slave: 's1' }, accepted, exited3, exited3);
  expect(context.failures).toBe(1);
});

test('a run that was held, adopted and lost again is held still, until it is released', () => {
  const back: RunEvent[] = [{ type: 'attempt.adopted', at, attempt: 1, slave: 's1' }];
  const again: RunEvent = { type: 'slave.lost', at, attempt: 1, slave: 's1', why: 'lease over' };
  const over: RunEvent = { type: 'backoff.over', at };
  expect(play(fresh, ...loss(1), held, ...back, again, over).state).toBe('PENDING.held');
  const released: RunEvent = { type: 'run.released', at, by: 'me' };
  expect(play(fresh, ...loss(1), held, ...back, released, again).state).toBe('PENDING.queued');
});
