import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { fakeHost } from '../host-fixture.ts';

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
  const { run, said } = fakeHost();
  await run('completion', 'bash');
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const script = `${said.stdout}
    COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _runyard; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const answer = execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8' });
  expect(answer.split('\n').filter(Boolean).toSorted()).toEqual(completions);
});

test('fish and zsh are told every command', async () => {
  for (const shell of ['fish', 'zsh']) {
    const { run, said } = fakeHost();
    expect(await run('completion', shell)).toBe(0);
    for (const word of ['submit', 'rerun', 'drain', '--queue-timeout', '--output']) {
      expect(said.stdout).toContain(word);
    }
    expect(said.stdout).not.toContain('demo');
  }
});
