import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { manualClock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import type { Client } from '../client.ts';
import { aRun, fakeHost } from '../host-fixture.ts';

test.each([
  [
    ['runyard', 'ru'],
    ['rules', 'run'],
  ],
  [
    ['runyard', 'run', 'l'],
    ['list', 'logs'],
  ],
  [['runyard', 'run', 'logs', '--fol'], ['--follow']],
  [['runyard', '--server', 'x', 'slave', 'dr'], ['drain']],
  [
    ['runyard', 'submit', '--retr'],
    ['--retries', '--retry-exit-codes'],
  ],
  [['runyard', 'submit', '--', 'r'], []],
  [['runyard', 'dem'], []],
])('bash completes %j to %j', async (words, completions) => {
  expect((await inBash(words)).offers).toEqual(completions);
});

test.each([
  [['runyard', 'run', 'show', '1m'], 'complete runs 1m'],
  [['runyard', 'run', 'abort', '1m7ybe7dfmc6ysjt', ''], 'complete live-runs '],
  [['runyard', 'slave', 'drain', 'rack'], 'complete slaves rack'],
  [['runyard', 'run', 'list', '--slave', 'rack'], 'complete slaves rack'],
  [['runyard', 'submit', '--after', '1m'], 'complete runs 1m'],
  [
    ['runyard', '--server', 'http://m:1', 'why', '--token-file', 'key', '1m'],
    'complete --server http://m:1 --token-file key runs 1m',
  ],
])('bash asks for what %j names', async (words, expected) => {
  const { asked, offers } = await inBash(words, 'echo 1m7ybe rack-1');
  expect(asked).toBe(expected);
  expect(offers).toContain(words.at(-1) === 'rack' ? 'rack-1' : '1m7ybe');
});

test('a flag that is begun asks no master', async () => {
  const { asked, offers } = await inBash(['runyard', 'run', 'show', '--o'], 'echo --other');
  expect([asked, offers]).toEqual(['', ['--output']]);
});

test('a master that does not answer leaves verbs and flags', async () => {
  const fails = 'echo net.unreachable >&2; return 69';
  expect((await inBash(['runyard', 'run', 'show', '1m'], fails)).offers).toEqual([]);
  expect((await inBash(['runyard', 'slave', 'dr'], fails)).offers).toEqual(['drain']);
});

test('names are those that begin so and that no shell would expand', async () => {
  const queries: unknown[] = [];
  const listRuns: Client['listRuns'] = async (query) => {
    queries.push(query);
    return ['1m7b', '1m7a', '1k00', '1m$(id)'].map((runId) => aRun({ runId }));
  };
  const runs = fakeHost({ listRuns });
  expect(await runs.run('complete', 'live-runs', '1m')).toBe(0);
  expect(runs.said).toEqual({ stdout: '1m7b\n1m7a\n', stderr: '' });
  expect(queries).toEqual([
    { state: ['PENDING', 'RUNNING'], before: '1m'.padEnd(64, 'z'), limit: 100 },
  ]);
  const all = fakeHost({ listRuns });
  await all.run('complete', 'runs');
  expect(all.said.stdout).toBe('last\n1m7b\n1m7a\n1k00\n');
});

test('who completes hears nothing of a master that is away, or that takes its time', async () => {
  const away = async () => {
    throw new YardError('net.unreachable', 'nobody there');
  };
  const gone = fakeHost({ listSlaves: away });
  expect(await gone.run('complete', 'slaves', '')).toBe(0);
  expect(gone.said).toEqual({ stdout: '', stderr: '' });

  const clock = manualClock();
  const slow = fakeHost({ listSlaves: () => new Promise(() => {}) }, { clock });
  const done = slow.run('complete', 'slaves', '');
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(1_000);
  expect(await done).toBe(0);
  expect(slow.said).toEqual({ stdout: '', stderr: '' });
});

const hasFish = spawnSync('fish', ['--version']).status === 0;
if (!hasFish) console.warn('\nSKIPPED: no fish here, so it completed nothing (apt install fish)\n');

test.skipIf(!hasFish).each([
  ['runyard ru', '', ['rules', 'run']],
  ['runyard run show --o', '', ['--output']],
  ['runyard run show 1m', 'complete runs 1m', ['1m7ybe']],
  ['runyard run abort 1m', 'complete live-runs 1m', ['1m7ybe']],
  ['runyard run list --slave rack', 'complete slaves rack', ['rack-1']],
  [
    'runyard --server http://m:1 why --token-file=key 1m',
    'complete --server http://m:1 --token-file=key runs 1m',
    ['1m7ybe'],
  ],
])('fish completes %j', async (line, expected, completions) => {
  const { asked, offers } = await inFish(line);
  expect(asked).toBe(expected);
  expect(offers).toEqual(completions);
});

test('fish and zsh are told every command', async () => {
  for (const shell of ['fish', 'zsh']) {
    const { run, said } = fakeHost();
    expect(await run('completion', shell)).toBe(0);
    for (const word of ['submit', 'rerun', 'drain', '--queue-timeout', '--output', 'slaves']) {
      expect(said.stdout).toContain(word);
    }
    expect(said.stdout).not.toContain('demo');
  }
});

/** What fish offers at the end of the line, and what it asks `runyard`, which names a run and a slave. */
async function inFish(line: string) {
  const { run, said } = fakeHost();
  await run('completion', 'fish');
  const asked = join(mkdtempSync(join(tmpdir(), 'runyard-fish-')), 'asked');
  const script = `function runyard; echo $argv >>${asked}; printf '1m7ybe\\nrack-1\\n'; end
    ${said.stdout}
    complete -C '${line}'`;
  const offers = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' });
  const lines = existsSync(asked) ? readFileSync(asked, 'utf8').split('\n') : [''];
  return { asked: lines[0]!, offers: offers.split('\n').filter(Boolean).toSorted() };
}

/** What bash offers for the last of these words, and what it asks `runyard`, which does `answer`. */
async function inBash(words: readonly string[], answer = ':') {
  const { run, said } = fakeHost();
  await run('completion', 'bash');
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const script = `runyard() { echo "$*" >&3; ${answer}; }
    ${said.stdout}
    COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; COMP_LINE='${words.join(' ')}'
    { _runyard; } 3>&1; echo "= \${COMPREPLY[*]}"`;
  const text = execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8' });
  const [asked = '', offers = ''] = text.split(/^= /m);
  return { asked: asked.replace(/\n$/, ''), offers: offers.split(/\s/).filter(Boolean).toSorted() };
}
