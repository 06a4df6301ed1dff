import { expect, test } from 'vitest';
import { manualClock } from '../base/clock.ts';
import { makeLeases } from './leases.ts';

function openLeases() {
  const turns: (() => void)[] = [];
  const clock = { ...manualClock(), soon: (callback: () => void) => void turns.push(callback) };
  const over: string[] = [];
  const leases = makeLeases(clock, 1000, (slave) => void over.push(slave));
  const endTurn = () => turns.splice(0).forEach((callback) => callback());
  return { clock, over, leases, endTurn };
}

test('a lease that was not renewed is over', () => {
  const { clock, over, leases, endTurn } = openLeases();
  leases.renew('s1');
  clock.advance(999);
  endTurn();
  expect(over).toEqual([]);
  clock.advance(1);
  endTurn();
  expect(over).toEqual(['s1']);
});

test('a heartbeat that came while this process stood still counts', () => {
  const { clock, over, leases, endTurn } = openLeases();
  leases.renew('s1');
  clock.advance(5000);
  // What the sockets brought meanwhile is read in the same turn, after the timers.
  leases.renew('s1');
  endTurn();
  expect(over).toEqual([]);
  clock.advance(999);
  endTurn();
  expect(over).toEqual([]);
  clock.advance(1);
  endTurn();
  expect(over).toEqual(['s1']);
});

test('a lease that was ended within the turn in which it was over says nothing', () => {
  const { clock, over, leases, endTurn } = openLeases();
  leases.renew('s1');
  clock.advance(1000);
  leases.end('s1');
  endTurn();
  expect(over).toEqual([]);
});

test('a shorter lease ends when it says', () => {
  const { clock, over, leases, endTurn } = openLeases();
  leases.renew('s1', 9000);
  leases.renew('s1');
  clock.advance(1000);
  endTurn();
  expect(over).toEqual(['s1']);
});
