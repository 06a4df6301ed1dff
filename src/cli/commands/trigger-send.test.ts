import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Client } from '../client.ts';
import { ID, fakeHost } from '../host-fixture.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-cli-'))));
afterEach(() => rmSync(directory, { recursive: true }));

test('a message is sent as it stands in a file or on standard input', async () => {
  const sent: unknown[] = [];
  const client: Partial<Client> = {
    async sendMessage(message) {
      sent.push(message);
      return { runs: [ID], job: 'j', matched: ['rule 1'], discarded: [] };
    },
  };
  writeFileSync(join(directory, 'm.json'), '{"topic":"a"}');
  const given = { cwd: directory, readInput: async () => '{"topic":"b"}' };
  const { run, said } = fakeHost(client, given);
  expect(await run('trigger', 'send', 'm.json')).toBe(0);
  expect(await run('trigger', 'send', '-')).toBe(0);
  expect(sent).toEqual([{ topic: 'a' }, { topic: 'b' }]);
  expect(said.stdout).toContain(`run ${ID}\n1 run started, job j`);
});

test('what is not JSON is not sent', async () => {
  const { run, said } = fakeHost({}, { readInput: async () => '{' });
  expect(await run('trigger', 'send', '-')).toBe(65);
  expect(said.stderr).toMatch(/^message\.json: standard input is not JSON/);
});
