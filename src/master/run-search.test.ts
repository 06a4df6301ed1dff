import { expect, test } from 'vitest';
import type { RunQuery } from '../protocol/http.ts';
import type { RunStatus } from '../protocol/run.ts';
import type { RunRecord } from './records.ts';
import { searchRuns } from './run-search.ts';

const HOUR = 3_600_000;

/** Run 9 is the newest, an hour younger than run 8, and so on. */
function runOf(hour: number): RunRecord {
  const isEven = hour % 2 === 0;
  return {
    id: `r${hour}`,
    state: isEven ? 'COMPLETE' : 'PENDING.held',
    context: {
      slave: isEven ? 's1' : undefined,
      reason: isEven ? 'exited 2' : undefined,
      ending: isEven ? { kind: 'exited', code: hour } : undefined,
    },
    facts: { name: `Unit Tests ${hour}`, job: 'j1', createdAt: hour * HOUR },
  } as unknown as RunRecord;
}

async function search(query: Partial<RunQuery>, looked: string[] = [], change = {}) {
  async function* newestFirst() {
    for (let hour = 9; hour >= 0; hour--) {
      looked.push(`r${hour}`);
      yield Object.assign(runOf(hour), change);
    }
  }
  const present = ({ id }: RunRecord) => ({ runId: id }) as RunStatus;
  const { runs, next } = await searchRuns(newestFirst(), { limit: 50, ...query }, present);
  return { ids: runs.map(({ runId }) => runId).join(' '), next };
}

test.each<[Partial<RunQuery>, string]>([
  [{}, 'r9 r8 r7 r6 r5 r4 r3 r2 r1 r0'],
  [{ state: ['COMPLETE'] }, 'r8 r6 r4 r2 r0'],
  [{ is: 'held', name: 'Tests 3' }, 'r3'],
  [{ exit: 4 }, 'r4'],
  [{ ended: 'well' }, 'r0'],
  [{ ended: 'badly' }, 'r8 r6 r4 r2'],
  [{ slave: 's1', job: 'j1', limit: 2 }, 'r8 r6'],
  [{ job: 'other' }, ''],
  [{ text: ['UNIT', 'exited'] }, 'r8 r6 r4 r2 r0'],
  [{ text: ['unit tests 7'] }, 'r7'],
  [{ text: ['unit', 'r5'] }, 'r5'],
  [{ since: '1970-01-01T07:00:00.000Z' }, 'r9 r8 r7'],
])('%o finds %s', async (query, ids) => {
  expect(await search(query)).toEqual({ ids, next: undefined });
});

test('nothing older than asked for is looked at', async () => {
  const looked: string[] = [];
  await search({ since: '1970-01-01T08:00:00.000Z' }, looked);
  expect(looked).toEqual(['r9', 'r8', 'r7']);
});

test('a search stops after so many, and says where to go on', async () => {
  const looked: string[] = [];
  expect(await search({ exit: 4, scan: 3 }, looked)).toEqual({ ids: '', next: 'r7' });
  expect(looked).toEqual(['r9', 'r8', 'r7']);
  expect(await search({ exit: 8, scan: 3 })).toEqual({ ids: 'r8', next: 'r7' });
  expect(await search({ limit: 2, scan: 2 })).toEqual({ ids: 'r9 r8', next: undefined });
});

test.each([
  ['PENDING.backoff', { hold: { by: 'ann', note: '' } }, 1],
  ['RUNNING.executing', { hold: { by: 'ann', note: '' } }, 1],
  ['COMPLETE', { hold: { by: 'ann', note: '' } }, 0],
  ['PENDING.backoff', {}, 0],
])('of what is %s with %o, is:held finds %i', async (state, context, count) => {
  const { ids } = await search({ is: 'held', limit: 1 }, [], { state, context });
  expect(ids.split(' ').filter(Boolean)).toHaveLength(count);
});
