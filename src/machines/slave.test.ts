import { expect, test } from 'vitest';
import { testCases } from '../../test/kit/machine-cases.ts';
import type { Case } from '../../test/kit/machine-cases.ts';
import { slaveMachine } from './slave.ts';
import type { SlaveContext, SlaveEffect, SlaveEvent } from './slave.ts';
import { deriveTable } from './table.ts';

const at = 9;
const welcomed = { type: 'slave.welcomed', at, incarnation: 'i2' } as const;
const disconnected = { type: 'slave.disconnected', at, why: 'net.closed' } as const;
const left = { type: 'slave.left', at, why: 'reboot' } as const;
const expired = { type: 'lease.expired', at } as const;
const drain = { type: 'drain.requested', at, by: 'me', note: 'disk', untilAt: 50 } as const;
const resume = { type: 'resume.requested', at, by: 'me' } as const;
const drainOver = { type: 'drain.expired', at } as const;

type SlaveCase = Case<SlaveContext, SlaveEvent, SlaveEffect>;
const base: SlaveContext = { losses: 0, incarnation: 'i1' };
const draining = { drain: { by: 'me', note: 'disk', at: 1 } };

const asked = ['OFFLINE', 'ONLINE', 'SUSPENDED'].flatMap((state): SlaveCase[] => [
  {
    in: state,
    on: drain,
    to: state,
    facts: { drain: { by: 'me', note: 'disk', at, untilAt: 50 } },
    effects: ['tellDrain'],
  },
  ...[resume, drainOver].flatMap((on): SlaveCase[] => [
    { in: state, on, when: 'in service', to: undefined },
    {
      in: state,
      on,
      when: 'draining',
      has: draining,
      to: state,
      facts: { drain: undefined },
      effects: ['tellResume', 'schedule'],
    },
  ]),
  {
    in: state,
    on: welcomed,
    has: { whyGone: 'net.closed', ...draining },
    to: 'ONLINE',
    facts: { incarnation: 'i2', seenAt: at, whyGone: undefined, ...draining },
    effects: ['schedule'],
  },
]);

const cases: SlaveCase[] = [
  ...asked,
  { in: 'ONLINE', on: disconnected, to: 'SUSPENDED', facts: { whyGone: 'net.closed', losses: 0 } },
  ...['ONLINE', 'SUSPENDED'].flatMap((state): SlaveCase[] => [
    {
      in: state,
      on: left,
      to: 'OFFLINE',
      facts: { whyGone: 'reboot', losses: 0 },
      effects: ['giveUpAttempts'],
    },
    { in: state, on: expired, to: 'OFFLINE', facts: { losses: 1 }, effects: ['giveUpAttempts'] },
  ]),
  { in: 'SUSPENDED', on: disconnected, to: undefined },
  { in: 'OFFLINE', on: disconnected, to: undefined },
  { in: 'OFFLINE', on: left, to: undefined },
  { in: 'OFFLINE', on: expired, to: undefined },
];

testCases(slaveMachine, base, cases);

test('what people ask of a slave outlives its connections and its losses', () => {
  const table = deriveTable<SlaveContext, SlaveEvent, SlaveEffect>(slaveMachine);
  let now = { state: 'ONLINE', context: base };
  for (const event of [drain, disconnected, expired, welcomed, left, welcomed]) {
    now = table.decide(now.state, now.context, event) ?? now;
  }
  expect(now.state).toBe('ONLINE');
  expect(now.context.drain).toMatchObject({ by: 'me', note: 'disk' });
});
