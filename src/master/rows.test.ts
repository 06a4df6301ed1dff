import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { EventRecord } from './records.ts';
import { packEvents, unpackEvents } from './rows.ts';

const [at, attempt, slave] = [1_700_000_000_123, 2, 's1'];
const said = { bytes: 3, sha256: 'a'.repeat(64), droppedBytes: 1 };
const empty = { bytes: 0, sha256: createHash('sha256').digest('hex'), droppedBytes: 0 };
const nothing = { stdout: empty, stderr: empty, combined: empty };
const finished = {
  type: 'attempt.finished',
  at,
  attempt,
  slave,
  ending: { kind: 'exited', code: 0 },
  jitter: 0.25,
};

test.each<EventRecord['event']>([
  { type: 'run.submitted', at },
  { type: 'run.granted', at, slave, token: 't' },
  { type: 'attempt.accepted', at, attempt, slave },
  { type: 'attempt.executing', at, attempt },
  finished,
  { ...finished, outputs: { ...nothing, stdout: said, combined: said } },
  { ...finished, outputs: nothing, artifacts: [], notes: ['a', 'b'] },
  { type: 'slave.lost', at, slave, attempt, why: 'lease over' },
  { type: 'abort.requested', at, by: 'ada', why: '' },
  { type: 'queue.expired', at },
])('an event reads as it was written: %j', (event) => {
  const record = (seq: number): EventRecord => {
    return { seq, run: `r${seq}`, n: seq, by: 'somebody', state: 'PENDING.queued', event };
  };
  const records = [record(7), record(8)];

  expect(unpackEvents(packEvents(records))).toEqual(records);
});
