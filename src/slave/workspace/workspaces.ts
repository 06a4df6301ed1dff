import { lstatSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { YardError, assert } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { parseBundleRef } from '../../protocol/bundle-ref.ts';
import { STREAMS } from '../../protocol/outputs.ts';
import type { AttemptKey, Workspace, Workspaces } from '../ports.ts';
import { collectArtifacts } from './artifacts.ts';
import type { BundleCache } from './bundle-cache.ts';
import { copyTree } from './copy-tree.ts';
import type { Git } from './git.ts';
import { codeOf, removeTree } from './remove-tree.ts';

export interface WorkspacesOptions {
  /** The slave's work directory; attempts are kept below it. */
  root: string;
  cache: BundleCache;
  git: Git;
  clock: Clock;
  log: Log;
}

const KEY = /^[A-Za-z0-9_-]{1,64}\.[0-9]{1,9}$/;

export function makeWorkspaces({ root, cache, git, clock, log }: WorkspacesOptions): Workspaces {
  const attempts = join(root, 'attempts');
  mkdirSync(attempts, { recursive: true, mode: 0o700 });

  function pathOf(key: AttemptKey): string {
    assert(KEY.test(key), 'an attempt key names a run and a number');
    return join(attempts, key);
  }

  async function layOut(bundle: string, cwd: string, signal: AbortSignal): Promise<void> {
    const ref = parseBundleRef(bundle, git.schemes);
    if (ref.kind === 'git') return git.checkout(ref, cwd, signal);
    const tree = await cache.get(ref.id, signal);
    try {
      await copyTree(tree.dir, cwd, signal);
    } finally {
      await tree.release();
    }
  }

  return {
    async prepare(key, bundle, signal) {
      signal.throwIfAborted();
      const workspace = workspaceAt(pathOf(key));
      makeDirectories(key, workspace);
      if (bundle === undefined) return workspace;
      const startedAt = clock.now();
      try {
        await layOut(bundle, workspace.cwd, signal);
      } catch (error) {
        await removeTree(workspace.root);
        throw error;
      }
      log.debug({ attempt: key, bundle, tookMs: clock.now() - startedAt }, 'bundle laid out');
      return workspace;
    },

    async collect({ root: path, artifactsDir }) {
      if (!lstatSync(path).isDirectory() || isEmptyDirectory(artifactsDir)) return [];
      return collectArtifacts(artifactsDir);
    },

    async remove(key) {
      const path = pathOf(key);
      if (!removedQuickly(workspaceAt(path))) await removeTree(path);
    },

    async leftOver() {
      return (await readdir(attempts)).filter((name) => KEY.test(name));
    },
  };
}

/** Where an attempt's things are, below its directory. */
export function workspaceAt(root: string): Workspace {
  const [stdout, stderr, combined] = STREAMS.map((stream) => join(root, stream));
  return {
    root,
    cwd: join(root, 'workspace'),
    artifactsDir: join(root, 'artifacts'),
    files: { stdout: stdout!, stderr: stderr!, combined: combined! },
  };
}

/** Nearly always so; three turns through the thread pool would tell no more. */
function isEmptyDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && readdirSync(path).length === 0;
}

/** Synchronous, because three of these cost less than handing one to another thread. */
function makeDirectories(key: AttemptKey, workspace: Workspace): void {
  try {
    mkdirSync(workspace.root, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new YardError('slave.workspace', `attempt ${key} has a directory already`, {
      hint: 'remove it first: no two attempts share one',
    });
  }
  mkdirSync(workspace.cwd, 0o700);
  mkdirSync(workspace.artifactsDir, 0o700);
}

/**
 * Removes an attempt that left only its streams and the like, as nearly all do. False if there is
 * anything more to it, or anything in the place of a directory; no link is followed to find out.
 */
function removedQuickly({ root, cwd, artifactsDir }: Workspace): boolean {
  try {
    // The task may have put a link even in the place of the attempt's own directory.
    if (!lstatSync(root).isDirectory()) return false;
    rmdirSync(artifactsDir);
    rmdirSync(cwd);
    for (const entry of readdirSync(root, { withFileTypes: true })) {
      if (entry.isDirectory()) return false;
      unlinkSync(join(root, entry.name));
    }
    rmdirSync(root);
    return true;
  } catch (error) {
    // Whatever it was, the thorough way meets it again, and knows what to do or to say.
    if (codeOf(error) !== undefined) return false;
    throw error;
  }
}
