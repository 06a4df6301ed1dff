import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { namesBelow, writeFiles } from '../../../test/kit/files.ts';
import type { Files } from '../../../test/kit/files.ts';
import { until } from '../../../test/kit/until.ts';
import { systemClock } from '../../base/clock.ts';
import { makeGit } from './git.ts';
import type { GitOptions, GitSource } from './git.ts';

const NOWHERE = '1'.repeat(40);
const never = new AbortController().signal;

let work: string;
let marker: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'runyard-git-test-'));
  marker = join(work, 'marker');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(work, { recursive: true, force: true });
});

test('a checkout holds the files of the commit and nothing of git', async () => {
  const source = makeRepository({ 'task.yml': 'name: x', 'bin/run': 'x!#!/bin/sh' });
  const into = await checkout(source);

  expect(namesBelow(into)).toEqual(['bin', 'bin/run', 'task.yml']);
  expect(readFileSync(join(into, 'task.yml'), 'utf8')).toBe('name: x');
  expect(statSync(join(into, 'bin/run')).mode & 0o111).not.toBe(0);
});

test('an older commit than the tip is found, also in a repository with SHA-256', async () => {
  for (const format of ['sha1', 'sha256']) {
    const source = makeRepository({ file: 'old' }, format);
    commitMore(source, { file: 'new' });

    expect(readFileSync(join(await checkout(source), 'file'), 'utf8')).toBe('old');
  }
});

test('a commit that was fetched once needs its repository no more', async () => {
  const source = makeRepository({ file: 'text' });
  await checkout(source);
  rmSync(pathOf(source), { recursive: true });

  expect(namesBelow(await checkout(source))).toEqual(['file']);
});

test('many at once get trees of their own, of the same and of other commits', async () => {
  const first = makeRepository({ file: 'one' });
  const second = commitMore(first, { file: 'two' });
  const git = openGit();
  const wanted = [first, second, first, second, first, second];
  const trees = await Promise.all(wanted.map((source) => checkout(source, git)));

  expect(trees.map((tree) => readFileSync(join(tree, 'file'), 'utf8'))).toEqual(
    wanted.map((source) => (source === first ? 'one' : 'two')),
  );
});

test('a lock that a killed git left does not stop the next fetch', async () => {
  const first = makeRepository({ file: 'one' });
  await checkout(first);
  const second = commitMore(first, { file: 'two' });
  const [cache] = readdirSync(join(work, 'git'));
  writeFileSync(join(work, 'git', cache!, 'shallow.lock'), '');
  writeFileSync(join(work, 'git', cache!, 'refs/runyard', `${second.commit}.lock`), '');

  expect(namesBelow(await checkout(second))).toEqual(['file']);
});

test('a cache that lost its objects is fetched anew', async () => {
  const source = makeRepository({ file: 'text' });
  await checkout(source);
  const [cache] = readdirSync(join(work, 'git'));
  rmSync(join(work, 'git', cache!, 'objects/pack'), { recursive: true });

  expect(readFileSync(join(await checkout(source), 'file'), 'utf8')).toBe('text');
});

test('links become files that say where they led', async () => {
  const source = makeRepository({ link: '->/etc/passwd' });
  const into = await checkout(source);

  expect(lstatSync(join(into, 'link')).isFile()).toBe(true);
  expect(readFileSync(join(into, 'link'), 'utf8')).toBe('/etc/passwd');
});

test('a commit or repository that is not there is told apart from one that is', async () => {
  const source = makeRepository({ file: 'text' });
  const unknown = checkout({ ...source, commit: NOWHERE });
  await expect(unknown).rejects.toMatchObject({ code: 'bundle.unknown' });
  const elsewhere = checkout({ ...source, url: `file://${work}/nowhere` });
  await expect(elsewhere).rejects.toMatchObject({ code: 'net.git' });
});

test('the hash of a tag is not the hash of a commit', async () => {
  const source = makeRepository({ file: 'text' });
  run(source, 'tag', '-a', '-m', 'one', 'v1');
  const tag = { ...source, commit: run(source, 'rev-parse', 'v1') };

  await expect(checkout(tag)).rejects.toMatchObject({ code: 'bundle.head' });
});

test('an abort ends git before it is reported, and harms no later fetch', async () => {
  const script = join(work, 'ssh.sh');
  writeFileSync(
    script,
    `#!/bin/sh\necho $PPID > ${work}/pid.tmp\nmv ${work}/pid.tmp ${work}/pid\nexec cat\n`,
  );
  chmodSync(script, 0o755);
  // Unless told what ssh it is, git runs it once more only to find out.
  const env = { GIT_SSH_COMMAND: script, GIT_SSH_VARIANT: 'ssh' };
  const git = openGit({ schemes: ['ssh', 'file'], env });
  const controller = new AbortController();
  const source = { url: 'ssh://127.0.0.1/x', commit: NOWHERE };
  const hanging = git.checkout(source, fresh(), controller.signal);
  await until(() => existsSync(join(work, 'pid')));
  controller.abort(new Error('the run was aborted'));
  await expect(hanging).rejects.toThrow('the run was aborted');

  const pid = Number(readFileSync(join(work, 'pid'), 'utf8'));
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 10_000);
  expect(namesBelow(await checkout(makeRepository({ file: 'x' }), git))).toEqual(['file']);
});

describe('nothing that a stranger writes is run:', () => {
  test.each([
    ['an option as URL', () => `--upload-pack=touch ${marker}`],
    ['a command as URL', () => `ext::sh -c touch% ${marker}`],
    ['an option as ssh host', () => `ssh://-oProxyCommand=touch\${IFS}${marker}/x`],
    ['an option as scp-like host', () => `-oProxyCommand=touch\${IFS}${marker}:x`],
  ])('%s', async (_, url) => {
    for (const schemes of [
      ['https', 'ssh'],
      ['https', 'ssh', 'file'],
    ] as const) {
      const source = { url: url(), commit: NOWHERE };

      // Refused as an address: git did not take it for anything else, and got as far as this.
      await expect(checkout(source, openGit({ schemes }))).rejects.toThrow(
        /strange pathname|strange hostname|not allowed/,
      );
      expect(existsSync(marker)).toBe(false);
    }
  });

  test('an option as commit', async () => {
    const source = makeRepository({ file: 'x' });

    await expect(checkout({ ...source, commit: `--upload-pack=touch ${marker}` })).rejects.toThrow(
      'assertion failed',
    );
    expect(existsSync(marker)).toBe(false);
  });

  test('a local repository where only remote ones are allowed', async () => {
    const source = makeRepository({ file: 'x' });
    const git = openGit({ schemes: ['https', 'ssh'] });

    await expect(checkout(source, git)).rejects.toThrow("transport 'file' not allowed");
  });

  test('configuration in the environment of the slave', async () => {
    const source = makeRepository({ file: 'x', '.gitattributes': '* filter=evil' });
    const settings = { 'core.fsmonitor': touch(), 'filter.evil.smudge': touch() };
    Object.entries(settings).forEach(([key, value], index) => {
      vi.stubEnv(`GIT_CONFIG_KEY_${index}`, key);
      vi.stubEnv(`GIT_CONFIG_VALUE_${index}`, value);
    });
    vi.stubEnv('GIT_CONFIG_COUNT', '2');
    naively(source);
    await checkout(source);

    expect(existsSync(marker)).toBe(false);
  });

  test('configuration and hooks in the home of the slave', async () => {
    const source = makeRepository({ file: 'x' });
    const hooks = join(work, 'hooks');
    plantHooks(hooks);
    const config = `[core]\n\thooksPath = ${hooks}\n[init]\n\ttemplateDir = ${work}/template\n`;
    writeFileSync(join(work, '.gitconfig'), config);
    plantHooks(join(work, 'template/hooks'));
    vi.stubEnv('HOME', work);
    vi.stubEnv('GIT_TEMPLATE_DIR', join(work, 'template'));
    naively(source);
    await checkout(source);

    expect(existsSync(marker)).toBe(false);
  });

  test('a command for ssh in the environment of the slave', async () => {
    const source = { url: 'ssh://127.0.0.1:9/x', commit: NOWHERE };
    vi.stubEnv('GIT_SSH_COMMAND', touch());
    naively(source);
    const git = openGit({ schemes: ['ssh'] });

    await expect(checkout(source, git)).rejects.toMatchObject({ code: 'net.git' });
    expect(existsSync(marker)).toBe(false);
  });

  test('hooks of the repository', async () => {
    const source = makeRepository({ file: 'x' });
    plantHooks(join(pathOf(source), '.git/hooks'));
    run(source, 'config', 'uploadpack.packObjectsHook', touch());
    await checkout(source);

    expect(existsSync(marker)).toBe(false);
  });

  test('submodules, even where local ones are allowed', async () => {
    const inner = makeRepository({ secret: 'x' });
    const source = makeRepository({
      file: 'x',
      '.gitmodules': `[submodule "s"]\n\tpath = s\n\turl = ${inner.url}\n\tupdate = checkout\n`,
    });
    run(source, 'update-index', '--add', '--cacheinfo', `160000,${inner.commit},s`);
    run(source, 'commit', '--quiet', '-m', 'submodule');
    const into = await checkout({ ...source, commit: run(source, 'rev-parse', 'HEAD') });

    expect(namesBelow(into)).toEqual(['.gitmodules', 'file', 's']);
  });

  test('a submodule that names a command', async () => {
    const source = makeRepository({
      '.gitmodules': `[submodule "s"]\n\tpath = s\n\turl = ./s\n\tupdate = !${touch()}\n`,
    });

    await expect(checkout(source)).rejects.toThrow('gitmodulesUpdate');
    expect(existsSync(marker)).toBe(false);
  });

  test('a .git that is delivered as files', async () => {
    const source = makeRepository({ config: `[core]\n\tfsmonitor = ${touch()}\n` });
    const tree = run(source, 'rev-parse', 'HEAD^{tree}');
    const entry = Buffer.concat([Buffer.from('40000 .git\0'), Buffer.from(tree, 'hex')]);
    const evil = write(source, 'tree', entry);
    const commit = run(source, 'commit-tree', '-m', 'evil', evil);
    run(source, 'update-ref', 'refs/heads/evil', commit);

    await expect(checkout({ ...source, commit })).rejects.toThrow('hasDotgit');
    expect(existsSync(marker)).toBe(false);
  });
});

function openGit(more: Partial<GitOptions> = {}) {
  return makeGit({ dir: join(work, 'git'), clock: systemClock, schemes: ['file'], ...more });
}

async function checkout(source: GitSource, git = openGit()): Promise<string> {
  const into = fresh();
  await git.checkout(source, into, never);
  return into;
}

/** Proves that the trap is armed: git, used as it comes, does run the command. */
function naively(source: GitSource): void {
  spawnSync('git', ['clone', '--quiet', source.url, fresh()]);
  expect(existsSync(marker)).toBe(true);
  rmSync(marker);
}

function touch(): string {
  return `touch ${marker} #`;
}

function plantHooks(dir: string): void {
  mkdirSync(dir, { recursive: true });
  for (const hook of [
    'post-checkout',
    'reference-transaction',
    'post-index-change',
    'pre-upload',
  ]) {
    writeFileSync(join(dir, hook), `#!/bin/sh\ntouch ${marker}\n`);
    chmodSync(join(dir, hook), 0o755);
  }
}

function makeRepository(files: Files, format = 'sha1'): GitSource {
  const path = fresh();
  const source = { url: `file://${path}`, commit: '' };
  run(source, 'init', '--quiet', `--object-format=${format}`);
  return commitMore(source, files);
}

function commitMore({ url }: GitSource, files: Files): GitSource {
  const source = { url, commit: '' };
  writeFiles(pathOf(source), files);
  run(source, 'add', '--all');
  run(source, 'commit', '--quiet', '-m', 'more');
  return { url, commit: run(source, 'rev-parse', 'HEAD') };
}

const IDENTITY = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];

function run(source: GitSource, ...args: string[]): string {
  const env = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null' };
  const options = { cwd: pathOf(source), env, encoding: 'utf8' } as const;
  return execFileSync('git', [...IDENTITY, ...args], options).trim();
}

function write(source: GitSource, type: string, content: Buffer): string {
  const args = ['hash-object', '-t', type, '-w', '--literally', '--stdin'];
  return execFileSync('git', args, { cwd: pathOf(source), input: content })
    .toString()
    .trim();
}

function pathOf({ url }: GitSource): string {
  return url.slice('file://'.length);
}

function fresh(): string {
  return mkdtempSync(join(work, 'dir-'));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
