import { expect, test } from 'vitest';
import type { Client } from '../client.ts';
import { ID, aRun, fakeHost } from '../host-fixture.ts';

test('a list that was cut says so beside it, and how to go on', async () => {
  const findRuns: Client['findRuns'] = async (_query, max) => ({
    runs: [aRun()],
    isCut: max === 1,
  });
  const cut = fakeHost({ findRuns });
  await cut.run('run', 'list', '--limit', '1', '-o', 'jsonl');
  expect(cut.said.stdout).toBe(`${JSON.stringify(aRun())}\n`);
  expect(cut.said.stderr).toContain(`more than these 1: --limit N for more, --before ${ID}`);
  const whole = fakeHost({ findRuns });
  await whole.run('run', 'list');
  expect(whole.said.stderr).toBe('');
});

test('runs are searched by when they were made and by words, all of them by default', async () => {
  const asked: unknown[] = [];
  const findRuns: Client['findRuns'] = async (...given) => {
    asked.push(given);
    return { runs: [], isCut: false };
  };
  const { host, run, said } = fakeHost({ findRuns });
  const weekAgo = new Date(host.clock.wall() - 7 * 86_400_000).toISOString();
  await run('run', 'list', '--since', '7d', '--text', 'no space', '--text', 'rack-3');
  await run('run', 'list', '--since', '2026-11-21', '--limit', '3');
  await run('run', 'list', '--ended', 'badly');
  expect(asked).toEqual([
    [{ since: weekAgo, text: ['no space', 'rack-3'] }, 10_000],
    [{ since: '2026-11-21T00:00:00.000Z' }, 3],
    [{ ended: 'badly' }, 50],
  ]);
  expect(await run('run', 'list', '--since', 'yesterday')).toBe(64);
  expect(said.stderr).toContain('Write 90m, 12h, 7d, 2026-11-21');
});
