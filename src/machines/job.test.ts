import { expect, test } from 'vitest';
import { testCases } from '../../test/kit/machine-cases.ts';
import type { Case } from '../../test/kit/machine-cases.ts';
import { jobMachine } from './job.ts';
import type { JobContext, JobEffect, JobEvent } from './job.ts';
import { deriveTable } from './table.ts';

const at = 1;
const base: JobContext = { total: 3, ended: 0, failed: 0 };
const started = { type: 'job.runStarted', at } as const;
const ended = { type: 'job.runEnded', at, ok: true } as const;
const failed = { type: 'job.runEnded', at, ok: false } as const;
const abort = { type: 'job.abortRequested', at, by: 'me', why: 'enough' } as const;
const last = { ended: 2 };

const cases: Case<JobContext, JobEvent, JobEffect>[] = [
  { in: 'NOT_STARTED', on: started, to: 'IN_PROGRESS' },
  ...['NOT_STARTED', 'IN_PROGRESS'].flatMap((state): typeof cases => [
    { in: state, on: ended, to: 'IN_PROGRESS', facts: { ended: 1, failed: 0 } },
    { in: state, on: failed, when: 'not ok', to: 'IN_PROGRESS', facts: { ended: 1, failed: 1 } },
    { in: state, on: ended, when: 'the last', has: last, to: 'COMPLETED', facts: { ended: 3 } },
    {
      in: state,
      on: abort,
      to: 'ABORTING',
      facts: { abort: { by: 'me', why: 'enough' } },
      effects: ['abortRuns'],
    },
  ]),
  { in: 'IN_PROGRESS', on: started, to: undefined },
  { in: 'ABORTING', on: failed, to: 'ABORTING', facts: { ended: 1, failed: 1 } },
  { in: 'ABORTING', on: failed, when: 'the last', has: last, to: 'COMPLETED', facts: { ended: 3 } },
  { in: 'ABORTING', on: abort, to: undefined },
  ...[started, ended, failed, abort].map((on): (typeof cases)[number] => ({
    in: 'COMPLETED',
    on,
    when: JSON.stringify(on),
    to: undefined,
  })),
];

testCases(jobMachine, base, cases);

test('a job of n runs is completed by its nth end and by none before', () => {
  const table = deriveTable<JobContext, JobEvent, JobEffect>(jobMachine);
  let now = { state: 'NOT_STARTED', context: { ...base, total: 5 } };
  const seen: string[] = [];
  for (let i = 0; i < 6; i++) {
    now = table.decide(now.state, now.context, i % 2 === 0 ? ended : failed) ?? now;
    seen.push(now.state);
  }
  expect(seen.indexOf('COMPLETED')).toBe(4);
  expect(now.context).toMatchObject({ ended: 5, failed: 2 });
});
