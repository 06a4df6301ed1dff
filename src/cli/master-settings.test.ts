import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeBind } from './call.ts';
import { webAddress } from './flags.ts';
import { fakeHost } from './host-fixture.ts';
import { addMasterOptions, masterSettings } from './master-settings.ts';
import type { MasterFlags, MasterSettings } from './master-settings.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-settings-'))));
afterEach(() => rmSync(directory, { recursive: true }));

test('without a word the master is on loopback with its state beside it', async () => {
  expect(await settings([])).toMatchObject({
    state: join(directory, 'state'),
    host: '127.0.0.1',
    port: 7070,
    logLevel: 'info',
  });
});

test('flags win over the environment, and that over the file', async () => {
  writeFileSync(join(directory, 'm.yml'), 'port: 1\nhost: file\nlogLevel: debug\nlease: 2s\n');
  const argv = ['--config', 'm.yml', '--port', '3'];
  const env = { RUNYARD_PORT: '2', RUNYARD_HOST: 'env' };
  expect(await settings(argv, env)).toMatchObject({
    port: 3,
    host: 'env',
    logLevel: 'debug',
    lease: 2000,
  });
});

test('a Stately Inspector is an address of the web', async () => {
  const url = 'https://inspect.example/ui';
  expect((await settings(['--stately-ui', url])).statelyUi).toBe(url);
  writeFileSync(join(directory, 'm.yml'), `statelyUi: ${url}\n`);
  expect((await settings(['--config', 'm.yml'])).statelyUi).toBe(url);
  writeFileSync(join(directory, 'm.yml'), 'statelyUi: "javascript:alert(1)"\n');
  await expect(settings(['--config', 'm.yml'])).rejects.toThrow(/statelyUi/);
  expect(() => webAddress('inspect.example')).toThrow(/Write http/);
});

test('paths in the file start from the file', async () => {
  writeFileSync(join(directory, 'm.yml'), 'state: s\nrules: /r.yml\ntls: {cert: c, key: k}\n');
  writeFileSync(join(directory, 'c'), 'CERT');
  writeFileSync(join(directory, 'k'), 'KEY');
  expect(await settings(['--config', join(directory, 'm.yml')], {}, '/')).toMatchObject({
    state: join(directory, 's'),
    rules: '/r.yml',
    tls: { cert: 'CERT', key: 'KEY' },
  });
});

test('all faults of a file are named at once, with their lines', async () => {
  writeFileSync(join(directory, 'm.yml'), 'prot: 1\nport: 70700\nlogLevel: loud\n');
  const refused = settings(['--config', 'm.yml']);
  await expect(refused).rejects.toThrow(/m\.yml:1.*prot.*"port"/s);
  await expect(refused).rejects.toThrow(/m\.yml:2|:2:/);
  await expect(refused).rejects.toThrow(/m\.yml:3|:3:/);
});

test('a certificate without its key is refused', async () => {
  await expect(settings(['--tls-cert', 'c'])).rejects.toThrow(/^config\.tls: /);
  await expect(settings(['--config', 'absent'])).rejects.toThrow(
    /^config\.file: "absent" cannot be read: ENOENT/,
  );
});

async function settings(
  argv: string[],
  env: Record<string, string> = {},
  cwd = directory,
): Promise<MasterSettings> {
  const { host } = fakeHost({}, { env, cwd });
  let found: MasterSettings | undefined;
  const bind = makeBind(host, () => {});
  const command = addMasterOptions(new Command('master')).action(
    bind<MasterFlags>(async (call) => {
      found = masterSettings(call);
    }),
  );
  await command.parseAsync(argv, { from: 'user' });
  return found!;
}
