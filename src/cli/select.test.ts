import { expect, test } from 'vitest';
import { aRun } from './host-fixture.ts';
import { findRunId, findRunIds } from './select.ts';
import type { Client, ListQuery } from './client.ts';

const IDS = ['1m7ybe7dfmc6ysjt', '1m7ybe7dgaaaaaaa', '1m7ybf0000000000', '2aaaaaaaaaaaaaaa'];

test('a whole id is taken as it is, without asking', async () => {
  expect(await findRunId({} as Client, '1m7ybe7dfmc6ysjt')).toBe('1m7ybe7dfmc6ysjt');
});

test('the start of one id names it', async () => {
  expect(await findRunId(client(IDS), '1m7ybf')).toBe('1m7ybf0000000000');
  expect(await findRunId(client(IDS), '2')).toBe('2aaaaaaaaaaaaaaa');
  expect(await findRunId(client(IDS), '1m7ybe7df')).toBe('1m7ybe7dfmc6ysjt');
});

test('the start of two ids names none, and the error shows both', async () => {
  await expect(findRunId(client(IDS), '1m7ybe')).rejects.toThrow(
    /^run\.ambiguous: .*1m7ybe7dfmc6ysjt, 1m7ybe7dgaaaaaaa/,
  );
});

test('what no id starts with is left to the master to refuse', async () => {
  expect(await findRunId(client(IDS), '1zz')).toBe('1zz');
});

test('"last" is the run that was made last', async () => {
  expect(await findRunId(client(IDS), 'last')).toBe('2aaaaaaaaaaaaaaa');
  await expect(findRunId(client([]), 'last')).rejects.toThrow(/^run\.unknown: there is no run yet/);
});

test('what cannot be an id is not sent anywhere', async () => {
  await expect(findRunId({} as Client, '../slaves')).rejects.toThrow(/^run\.unknown: "\.\.\/sl/);
});

test('a run that is named twice is meant once', async () => {
  expect(await findRunIds(client(IDS), ['last', '2', '1m7ybf'])).toEqual([IDS[3], IDS[2]]);
});

/** Lists as the master does: newest first, those before an id, at most so many. */
function client(ids: readonly string[]): Client {
  const listRuns = async ({ before = '~', limit = 50 }: ListQuery) =>
    ids
      .filter((id) => id < before)
      .toSorted()
      .toReversed()
      .slice(0, limit)
      .map((runId) => aRun({ runId }));
  return { listRuns } as Client;
}
