import { expect, test } from 'vitest';
import { isYardError } from '../base/errors.ts';
import type { RunStep } from './devtools.ts';
import { exportLines, readExport } from './history-export.ts';
import type { RunExport } from './history-export.ts';

const AT = '2026-01-01T00:00:00.000Z';

function step(n: number): RunStep {
  return {
    seq: 10 * n,
    n,
    at: AT,
    type: 'run.submitted',
    from: 'user/me',
    to: 'run/r1',
    before: 'NEW',
    after: 'PENDING.queued',
    event: {},
    context: { attempt: 0 },
    changed: [],
    effects: ['enqueue'],
    sent: [],
  };
}

const whole: RunExport = {
  run: {
    runId: 'r1',
    state: 'PENDING',
    attempt: 0,
    failures: 0,
    lost: 0,
    priority: 0,
    createdAt: AT,
  },
  chart: { id: 'run', initial: 'NEW', states: [], transitions: [] },
  exportedAt: AT,
  steps: [step(1), step(2)],
};
const text = [...exportLines(whole)].join('');

test('what is written is read back, with or without the last line end, or with CRLF', () => {
  for (const written of [text, text.trimEnd(), text.replaceAll('\n', '\r\n')]) {
    expect(readExport(written)).toEqual(whole);
  }
});

const [head, first, second] = text.split('\n') as [string, string, string];

test.each([
  ['nothing', '', 'line 1 is no history of a run'],
  ['another file', '{"name": "x"}\n', 'line 1 is no history of a run'],
  ['no JSON', 'hello', 'line 1 is not JSON'],
  ['a list', '[1]', 'line 1 is no history of a run'],
  ['a later version', head.replace('"version":1', '"version":2'), 'is of version 2, not 1'],
  ['no run', head.replace('"runId"', '"id"'), 'line 1 names no run, or no chart'],
  ['a step cut short', `${head}\n${first}\n${second.slice(0, -9)}`, 'line 3 is not JSON'],
  ['a missing step', `${head}\n${second}`, 'line 2 is not step 1'],
  ['half a step', `${head}\n{"n":1,"seq":1}`, 'line 2 is not a whole step'],
  ['a null', `${head}\nnull`, 'line 2 is not an object'],
])('%s is refused with the line', (_, given, what) => {
  let thrown: unknown;
  try {
    readExport(given);
  } catch (error) {
    thrown = error;
  }
  expect(isYardError(thrown) && thrown.code).toBe('input.export');
  expect(String(thrown)).toContain(what);
});
