import { testCases } from '../../test/kit/machine-cases.ts';
import type { Case } from '../../test/kit/machine-cases.ts';
import { agentMachine } from './agent.ts';
import type { AgentContext, AgentEffect, AgentEvent } from './agent.ts';

const closed = { type: 'link.closed', why: 'net.closed' } as const;
const opened = { type: 'link.opened' } as const;
const welcomed = { type: 'welcome.received', masterEpoch: 4 } as const;
const refused = { type: 'refusal.received', code: 'hello.duplicate' } as const;
const due = { type: 'retry.due' } as const;
const leave = { type: 'leave.requested' } as const;
const over = { type: 'attempts.over' } as const;

type AgentCase = Case<AgentContext, AgentEvent, AgentEffect>;
const base: AgentContext = { masterEpoch: 3, tries: 2, leaving: false };
const failedTry = { tries: 3, masterEpoch: 3 };

testCases(agentMachine, base, [
  { in: 'WAITING', on: due, to: 'CONNECTING', effects: ['connect'] },
  { in: 'WAITING', on: opened, to: undefined },
  { in: 'CONNECTING', on: opened, to: 'GREETING', effects: ['sendHello'] },
  { in: 'CONNECTING', on: due, to: undefined },
  ...['CONNECTING', 'GREETING', 'SERVING'].map((state): AgentCase => ({
    in: state,
    on: closed,
    to: 'WAITING',
    facts: failedTry,
    effects: ['waitToRetry'],
  })),
  {
    in: 'GREETING',
    on: welcomed,
    to: 'SERVING',
    facts: { masterEpoch: 4, tries: 0 },
    effects: ['resendReports'],
  },
  {
    in: 'GREETING',
    on: { ...welcomed, masterEpoch: 3 },
    when: 'of the same epoch',
    to: 'SERVING',
    facts: { masterEpoch: 3, tries: 0 },
    effects: ['resendReports'],
  },
  {
    in: 'GREETING',
    on: { ...welcomed, masterEpoch: 2 },
    when: 'of an older master',
    to: 'WAITING',
    facts: failedTry,
    effects: ['closeLink', 'waitToRetry'],
  },
  {
    in: 'GREETING',
    on: refused,
    to: 'WAITING',
    facts: failedTry,
    effects: ['closeLink', 'waitToRetry'],
  },
  { in: 'SERVING', on: welcomed, to: undefined },
  { in: 'SERVING', on: refused, to: undefined },
  ...['WAITING', 'CONNECTING', 'GREETING', 'SERVING'].flatMap((state): AgentCase[] => [
    { in: state, on: leave, to: state, facts: { leaving: true } },
    { in: state, on: over, to: 'GONE', effects: ['closeLink', 'exit'] },
  ]),
  ...[opened, closed, welcomed, refused, due, leave, over].map((on): AgentCase => ({
    in: 'GONE',
    on,
    to: undefined,
  })),
]);
