import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFiles } from '../../../test/kit/files.ts';
import type { Files } from '../../../test/kit/files.ts';
import { systemClock } from '../../base/clock.ts';
import { LateAbort } from '../../base/late-abort.ts';
import { silentLog } from '../../base/log.ts';
import { packBundle } from '../../task/bundle/pack.ts';
import type { PackedBundle } from '../../task/bundle/pack.ts';
import type { Workspace, Workspaces } from '../ports.ts';
import { openBundleCache } from './bundle-cache.ts';
import { makeGit } from './git.ts';
import { makeWorkspaces } from './workspaces.ts';

const KEY = '0123456789abcdef.1';
const never = new LateAbort();

let root: string;
let bundles: Map<string, PackedBundle>;
let workspaces: Workspaces;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'runyard-workspaces-test-'));
  bundles = new Map();
  workspaces = await open();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('an attempt gets directories of its own that only its user may enter', async () => {
  const workspace = await workspaces.prepare(KEY, undefined, never);

  expect(workspace).toEqual({
    root: join(root, 'attempts', KEY),
    cwd: join(root, 'attempts', KEY, 'workspace'),
    artifactsDir: join(root, 'attempts', KEY, 'artifacts'),
    files: {
      stdout: join(root, 'attempts', KEY, 'stdout'),
      stderr: join(root, 'attempts', KEY, 'stderr'),
      combined: join(root, 'attempts', KEY, 'combined'),
    },
  });
  expect(readdirSync(workspace.root).sort()).toEqual(['artifacts', 'workspace']);
  expect(statSync(workspace.root).mode & 0o777).toBe(0o700);
});

test('a directory that is there already is never used again', async () => {
  const { cwd } = await workspaces.prepare(KEY, undefined, never);
  writeFileSync(join(cwd, 'scratch'), 'x');

  await expect(workspaces.prepare(KEY, undefined, never)).rejects.toMatchObject({
    code: 'slave.workspace',
  });
  expect(existsSync(join(cwd, 'scratch'))).toBe(true);
});

test.each([
  '',
  'x',
  'x.',
  '../x.1',
  'a/b.1',
  'x.1.2',
  'x.1\n',
  `${'x'.repeat(65)}.1`,
  'x.1234567890',
])('the key %j never becomes a path', async (key) => {
  await expect(workspaces.prepare(key, undefined, never)).rejects.toThrow('assertion failed');
  await expect(workspaces.remove(key)).rejects.toThrow('assertion failed');
});

test('what a task does to its tree, no other attempt sees', async () => {
  const id = await pack({ 'data/file': 'original', run: 'x!#!/bin/sh', link: '->data/file' });
  const first = await workspaces.prepare('run.1', id, never);
  expect(readFileSync(join(first.cwd, 'link'), 'utf8')).toBe('original');
  expect(statSync(join(first.cwd, 'run')).mode & 0o100).toBe(0o100);
  expect(statSync(join(first.cwd, 'data/file')).nlink).toBe(1);
  writeFileSync(join(first.cwd, 'data/file'), 'spoilt');
  rmSync(join(first.cwd, 'run'));
  writeFileSync(join(first.cwd, 'scratch'), 'x');
  const second = await workspaces.prepare('run.2', id, never);

  expect(readdirSync(second.cwd).sort()).toEqual(['data', 'link', 'run']);
  expect(readFileSync(join(second.cwd, 'data/file'), 'utf8')).toBe('original');
  expect(readlinkSync(join(second.cwd, 'link'))).toBe('data/file');
});

test('a commit becomes the tree of an attempt', async () => {
  const repository = join(root, 'repository');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', '-C', repository, ...args]);
  mkdirSync(repository);
  git('init', '--quiet');
  writeFileSync(join(repository, 'task.yml'), 'name: x');
  git('add', '.');
  git('commit', '--quiet', '-m', 'one');
  const commit = git('rev-parse', 'HEAD').toString().trim();
  const { cwd } = await workspaces.prepare(KEY, `git+file://${repository}@${commit}`, never);

  expect(readdirSync(cwd)).toEqual(['task.yml']);
});

test.each([
  ['bundle.ref', 'main'],
  ['bundle.ref_not_pinned', 'git+file:///srv/x@main'],
  ['bundle.repo_url', `git+ext::sh@${'1'.repeat(40)}`],
  ['bundle.unknown', `fs-${'1'.repeat(64)}`],
])('after %s nothing of the attempt is left', async (code, bundle) => {
  await expect(workspaces.prepare(KEY, bundle, never)).rejects.toMatchObject({ code });

  expect(await workspaces.leftOver()).toEqual([]);
});

test('an abort while the tree is copied leaves nothing, and lets go of the bundle', async () => {
  const files = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, 'text']));
  const id = await pack(files);
  workspaces = await open(1);
  const stopping = new LateAbort();
  const preparing = workspaces.prepare(KEY, id, stopping);
  const failing = expect(preparing).rejects.toThrow('no longer wanted');
  const cwd = join(root, 'attempts', KEY, 'workspace');
  while (readdirSync(cwd).length === 0) await new Promise(setImmediate);
  stopping.abort(new Error('no longer wanted'));
  await failing;

  expect(await workspaces.leftOver()).toEqual([]);
  expect(readdirSync(join(root, 'bundles'))).toEqual([]);
});

test('an attempt that was aborted before it began makes nothing', async () => {
  const stopped = new LateAbort();
  stopped.abort(new Error('stopped'));
  await expect(workspaces.prepare(KEY, undefined, stopped)).rejects.toThrow('stopped');

  expect(await workspaces.leftOver()).toEqual([]);
});

test('what is left of earlier attempts is named and can be removed', async () => {
  await workspaces.prepare('a.1', undefined, never);
  const { files } = await workspaces.prepare('b.12', undefined, never);
  writeFileSync(files.stdout, 'x');
  writeFileSync(join(root, 'attempts', 'strange'), 'x');
  const reopened = await open();
  expect((await reopened.leftOver()).sort()).toEqual(['a.1', 'b.12']);
  for (const key of ['a.1', 'b.12', 'never.1']) await reopened.remove(key);

  expect(readdirSync(join(root, 'attempts'))).toEqual(['strange']);
});

test('removal spares whatever links lead to, wherever a task put them', async () => {
  const marker = plantMarker();
  const plots: ((workspace: { root: string; cwd: string; artifactsDir: string }) => void)[] = [
    ({ cwd }) => symlinkSync(marker, join(cwd, 'link')),
    ({ artifactsDir }) => symlinkSync(marker, join(artifactsDir, 'link')),
    ({ root: path }) => symlinkSync(marker, join(path, 'stdout')),
    ({ cwd }) => swap(cwd, marker),
    ({ artifactsDir }) => swap(artifactsDir, marker),
    ({ root: path }) => swap(path, marker),
  ];
  for (const [index, plot] of plots.entries()) {
    const key = `run.${index}`;
    plot(await workspaces.prepare(key, undefined, never));
    await workspaces.remove(key);

    expect(lstatSync(join(root, 'attempts', key), { throwIfNoEntry: false })).toBeUndefined();
    expect(readdirSync(marker).sort()).toEqual(['artifacts', 'file', 'workspace']);
  }
});

test('what a task left in its directories goes with them', async () => {
  const workspace = await workspaces.prepare(KEY, undefined, never);
  const mess =
    'mkdir -p a/b "c d"; echo x > a/b/f; ln -s /etc link; mkfifo pipe; chmod 000 a; cd ..; mkdir own';
  expect(spawnSync('sh', ['-c', mess], { cwd: workspace.cwd }).status).toBe(0);
  for (const path of Object.values(workspace.files)) writeFileSync(path, 'x');
  await workspaces.remove(KEY);

  expect(readdirSync(join(root, 'attempts'))).toEqual([]);
});

test('a directory that was left as it was found serves the next attempt', async () => {
  const { id } = await use('a.1', () => {});
  const reused = await use('b.1', ({ root: path, files }) => {
    for (const name of ['exit', 'journal']) writeFileSync(join(path, name), 'x');
    for (const stream of [files.stdout, files.stderr]) writeFileSync(stream, '');
  });
  expect(reused.id).toBe(id);
  const last = await use('c.1', () => {});

  expect(last.id).toBe(id);
  expect(last.seen).toEqual(['artifacts', 'exit', 'journal', 'stderr', 'stdout', 'workspace']);
  await open();
  expect(readdirSync(join(root, 'attempts'))).toEqual([]);
});

test.each<[string, (workspace: Workspace) => void]>([
  ['a file in its workspace', ({ cwd }) => writeFileSync(join(cwd, 'f'), 'x')],
  ['a file there for a moment', ({ cwd }) => touch(join(cwd, 'f'))],
  ['an artifact', ({ artifactsDir }) => writeFileSync(join(artifactsDir, 'f'), 'x')],
  ['other permissions', ({ cwd }) => chmodSync(cwd, 0o755)],
  ['other permissions of it all', ({ root: path }) => chmodSync(path, 0o755)],
  ['another directory', ({ root: path }) => mkdirSync(join(path, 'own'))],
  ['a link for a file', ({ root: path }) => symlinkSync('/etc/passwd', join(path, 'journal'))],
  ['another time', ({ cwd }) => utimesSync(cwd, 1, 1)],
])('no attempt gets what another changed: %s', async (_, change) => {
  await use('a.1', () => {});
  // What happens within one tick of the file system's clock leaves no mark.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { id } = await use('b.1', change);
  const next = await use('c.1', () => {});

  expect(next.seen).toEqual(['artifacts', 'workspace']);
  expect(next.id).not.toBe(id);
});

test('what an attempt was told in confidence does not outlive it', async () => {
  const { files } = await workspaces.prepare('a.1', undefined, never);
  const journal = join(root, 'attempts', 'a.1', 'journal');
  writeFileSync(journal, 'a password');
  writeFileSync(files.stdout, '');
  await workspaces.remove('a.1');
  await workspaces.prepare('b.1', undefined, never);

  expect(readFileSync(join(root, 'attempts', 'b.1', 'journal'))).toEqual(Buffer.alloc(10));
});

test('a stream that was written to, or is elsewhere too, is not used again', async () => {
  await use('a.1', ({ files }) => {
    writeFileSync(files.stdout, 'said');
    writeFileSync(files.combined, 'said');
    writeFileSync(files.stderr, '');
    linkSync(files.stderr, join(root, 'kept'));
  });

  expect((await use('b.1', () => {})).seen).toEqual(['artifacts', 'workspace']);
});

test('artifacts come from the directory of the attempt and from nowhere else', async () => {
  const workspace = await workspaces.prepare(KEY, undefined, never);
  writeFileSync(join(workspace.artifactsDir, 'report.xml'), '<x/>');
  expect(await workspaces.collect(workspace)).toMatchObject([{ name: 'report.xml', bytes: 4 }]);
  const marker = plantMarker();
  writeFileSync(join(marker, 'artifacts', 'secret'), 'x');
  swap(workspace.root, marker);

  expect(await workspaces.collect(workspace)).toEqual([]);
});

/** One whole attempt: what it found in its directory, and which directory that was. */
async function use(key: string, act: (workspace: Workspace) => void) {
  const workspace = await workspaces.prepare(key, undefined, never);
  const seen = readdirSync(workspace.root).sort();
  const { ino, birthtimeNs } = statSync(workspace.root, { bigint: true });
  act(workspace);
  await workspaces.remove(key);
  expect(await workspaces.leftOver()).toEqual([]);
  return { seen, id: `${ino} ${birthtimeNs}` };
}

function touch(path: string): void {
  writeFileSync(path, '');
  rmSync(path);
}

/** Shaped like an attempt, so that whoever follows a link to it does harm. */
function plantMarker(): string {
  const marker = join(root, 'marker');
  for (const name of ['workspace', 'artifacts']) {
    mkdirSync(join(marker, name), { recursive: true });
  }
  writeFileSync(join(marker, 'file'), 'kept');
  return marker;
}

function swap(path: string, target: string): void {
  rmSync(path, { recursive: true });
  symlinkSync(target, path);
}

async function open(cacheBytesMax = 2 ** 30): Promise<Workspaces> {
  const source = {
    async open(id: string) {
      const packed = bundles.get(id);
      if (!packed) throw Object.assign(new Error('no such bundle'), { code: 'bundle.unknown' });
      return packed.open();
    },
  };
  const [clock, log] = [systemClock, silentLog];
  const dir = join(root, 'bundles');
  const cache = await openBundleCache({ dir, source, clock, log, bytesMax: cacheBytesMax });
  const git = makeGit({ dir: join(root, 'git'), clock, schemes: ['file'] });
  return makeWorkspaces({ root, cache, git, clock, log });
}

async function pack(files: Files): Promise<string> {
  const from = mkdtempSync(join(root, 'from-'));
  writeFiles(from, files);
  const packed = await packBundle(from, { spoolDir: root });
  bundles.set(packed.id, packed);
  return packed.id;
}
