import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fakeHost } from '../../src/cli/host-fixture.ts';
import { runRequest } from '../../src/protocol/run.ts';
import { contentOf, openAt, treeOf } from '../../src/master/store/level-fixture.ts';
import { startCluster } from '../kit/cluster.ts';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

/** A stopped state with runs and outputs, and a backup of it. */
let root: string;
let state: string;
let backup: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'runyard-backup-test-'));
  state = join(root, 'state');
  backup = join(root, 'backup');
  const cluster = await startCluster();
  try {
    await cluster.startSlave('s1');
    const ids = await cluster.submit({ argv: ['echo', 'one'] }, { argv: ['echo', 'two'] });
    for (const id of ids) await cluster.done(id);
    await cluster.submit({ argv: ['true'], arch: 'aarch64' });
    await cluster.master.stop();
    cpSync(join(cluster.root, 'state'), state, { recursive: true });
    cpSync(join(cluster.root, 'blobs'), join(state, 'blobs'), { recursive: true });
  } finally {
    await cluster.stop();
  }
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

let cwd: string;
beforeEach(() => (cwd = mkdtempSync(join(root, 'test-'))));

async function runyard(...argv: string[]) {
  const { run, said } = fakeHost({}, { cwd });
  return { status: await run(...argv), ...said };
}

describe('of a stopped master', () => {
  test('the backup of a state, restored, is that state, and the next epoch is higher', async () => {
    const before = treeOf(state);
    const made = await runyard('backup', state, backup);
    expect(made).toMatchObject({ status: 0, stderr: '' });
    expect(made.stdout).toMatch(/^\d+ records, 4 blobs \(\d+ B\), commit \d+\n$/);
    expect(treeOf(state)).toEqual(before);
    expect(
      execFileSync('sha256sum', ['-c', '--quiet', 'blobs.sha256'], { cwd: backup }).toString(),
    ).toBe('');

    const again = join(cwd, 'deep', 'again');
    const restored = await runyard('restore', backup, again);
    expect(restored).toMatchObject({ status: 0, stderr: '' });
    expect(restored.stdout).toMatch(/, 4 blobs, commit \d+; the next epoch is 2\n$/);
    expect(await runyard('fsck', again)).toMatchObject({ status: 0 });
    cpSync(state, join(cwd, 'original'), { recursive: true });
    const [a, b] = [await openAt(join(cwd, 'original')), await openAt(again)];
    expect(await contentOf(b.store)).toEqual(await contentOf(a.store));
    expect((await b.store.leases.acquire('yard', 'x', 1))!.epoch).toBe(2);
    // Commits go on where they were, chain and all.
    await b.store.commit({ fence: b.fence, ops: [{ put: 'why/x/1', value: Buffer.from([1]) }] });
    await Promise.all([a.store.close(), b.store.close()]);
    expect((await runyard('fsck', again)).stdout).not.toMatch(/gap|store/);
  });

  test('the epoch can be made to go on from a later one', async () => {
    const again = join(cwd, 'again');
    const { stdout } = await runyard('restore', '--epoch', '41', backup, again);
    expect(stdout).toContain('the next epoch is 42\n');
    expect(await runyard('fsck', again)).toMatchObject({ status: 0 });
    const { store } = await openAt(again);
    expect((await store.leases.acquire('yard', 'x', 1))!.epoch).toBe(42);
    await store.close();
  });

  test('nothing is written where something is', async () => {
    const full = await runyard('restore', backup, state);
    expect(full).toMatchObject({ status: 73, stdout: '' });
    expect(full.stderr).toMatch(/^restore\.target_not_empty: /);
    mkdirSync(join(cwd, 'strange'));
    writeFileSync(join(cwd, 'strange', 'file'), '');
    expect((await runyard('restore', backup, 'strange')).stderr).toMatch(
      /^restore\.target_not_empty: /,
    );
    expect((await runyard('backup', state, 'strange')).stderr).toMatch(
      /^backup\.target_not_empty: /,
    );
    expect(readdirSync(join(cwd, 'strange'))).toEqual(['file']);
  });

  test('a damaged state is not backed up as if it were whole', async () => {
    const damaged = join(cwd, 'damaged');
    cpSync(state, damaged, { recursive: true });
    const db = join(damaged, 'db');
    truncateSync(
      join(
        db,
        readdirSync(db).find((name) => name.endsWith('.log'))!,
      ),
      0,
    );
    expect(await runyard('backup', damaged, 'to')).toMatchObject({ status: 65, stdout: '' });
    expect(existsSync(join(cwd, 'to', 'BACKUP'))).toBe(false);
  });
});

describe('a backup that is not whole', () => {
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(path, bytes);
  };
  const anyBlob = (at: string) => {
    const [, name] = /^\w{64} {2}(.+)$/m.exec(readFileSync(join(at, 'blobs.sha256'), 'utf8'))!;
    return join(at, name!);
  };
  const cases: [string, string, (at: string) => void][] = [
    ['its store cut off', 'store.corrupt', (at) => truncateSync(join(at, 'store'), 500)],
    ['a byte of its store flipped', 'store.corrupt', (at) => flip(join(at, 'store'), 400)],
    [
      'the store of another backup',
      'backup.sha256',
      (at) => flip(join(at, 'BACKUP'), readFileSync(join(at, 'BACKUP')).indexOf('"sha256":"') + 12),
    ],
    ['a blob changed', 'backup.sha256', (at) => flip(anyBlob(at), 0)],
    ['a blob missing', 'backup.sha256', (at) => rmSync(anyBlob(at))],
    ['a blob left out', 'backup.sha256', (at) => writeFileSync(join(at, 'blobs.sha256'), '')],
    [
      'a path that leaves its place',
      'backup.sha256',
      (at) => appendFileSync(join(at, 'blobs.sha256'), `${'0'.repeat(64)}  blobs/../../x\n`),
    ],
    ['its end not reached', 'backup.invalid', (at) => rmSync(join(at, 'BACKUP'))],
    [
      'another schema',
      'backup.schema',
      (at) =>
        writeFileSync(
          join(at, 'BACKUP'),
          readFileSync(join(at, 'BACKUP'), 'utf8').replace(/"schema":\d+/, '"schema":99'),
        ),
    ],
  ];
  test.each(cases)('%s is refused as %s, and leaves nothing behind', async (_, code, damage) => {
    const damaged = join(cwd, 'backup');
    cpSync(backup, damaged, { recursive: true });
    damage(damaged);
    const { status, stderr } = await runyard('restore', damaged, 'again');
    expect(stderr.split(':')[0]).toBe(code);
    expect(status).toBe(65);
    expect(existsSync(join(cwd, 'again')) ? readdirSync(join(cwd, 'again')) : []).toEqual([]);
    expect(existsSync(join(cwd, 'x'))).toBe(false);
  });
});

describe('of a running master', () => {
  let yard: Awaited<ReturnType<typeof startYard>>;
  beforeEach(async () => (yard = await startYard()));
  afterEach(() => yard.stop());

  test('slaves refuse what was restored from before they were served, unless it goes on above', async () => {
    const live = join(yard.root, 'state');
    const first = await yard.startMaster();
    yard.startSlave('s1', '--slots', '2');
    const argv = ['echo', 'kept'];
    const [run] = await yard.client.submit([runRequest.parse({ argv })]);
    expect((await yard.client.waitRun(run!.runId, 20_000)).state).toBe('COMPLETE');
    const made = await yard.run('backup', live, join(yard.root, 'backup'));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(await (await fetch(`${yard.url}/metrics`)).text()).toMatch(
      /^runyard_backup_last_success_timestamp_seconds [1-9]/m,
    );

    // The slave sees a later start, which the backup knows nothing of.
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await yard.startMaster();
    await isServed();
    const third = await restart(second);
    await isServed();

    for (const [name, flags, serves] of [
      ['older', [], false],
      ['newer', ['--epoch', '3'], true],
    ] as const) {
      const state = join(yard.root, name);
      const made = await runyard('restore', ...flags, join(yard.root, 'backup'), state);
      expect(made).toMatchObject({ status: 0, stderr: '' });
      expect(await runyard('fsck', state)).toMatchObject({ status: 0 });
      if (name === 'older') {
        third.child.kill('SIGTERM');
        await third.ended;
      }
      const master = await yard.startMaster('--state', state);
      const [again] = await yard.client.submit([runRequest.parse({ argv })]);
      const status = await yard.client.waitRun(again!.runId, serves ? 20_000 : 2_000);
      expect(status.state).toBe(serves ? 'COMPLETE' : 'PENDING');
      expect((await yard.client.getRun(run!.runId)).state).toBe('COMPLETE');
      const output = await fetch(`${yard.url}/runs/${run!.runId}/outputs/stdout`);
      expect(await output.text()).toBe('kept\n');
      master.child.kill('SIGTERM');
      await master.ended;
    }

    async function isServed(): Promise<void> {
      await until(async () => (await yard.client.listSlaves())[0]?.state === 'ONLINE');
    }
    async function restart(master: Awaited<ReturnType<typeof yard.startMaster>>) {
      master.child.kill('SIGTERM');
      await master.ended;
      return yard.startMaster();
    }
  }, 90_000);

  test('a master that owns another state is noticed', async () => {
    await yard.startMaster();
    const { store, fence } = await openAt(join(cwd, 'other'));
    for (let i = 0; i < 50; i++) {
      await store.commit({ fence, ops: [{ put: 'why/x/1', value: Buffer.from([i]) }] });
    }
    const made = await yard.run('backup', join(cwd, 'other'), join(cwd, 'backup'));
    await store.close();
    expect(made.code).toBe(65);
    expect(made.stderr).toMatch(/^backup\.other_master: /);
  });
});
