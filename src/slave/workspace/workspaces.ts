import { lstatSync, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { parseBundleRef } from '../../protocol/bundle-ref.ts';
import type { Workspaces } from '../ports.ts';
import { collectArtifacts } from './artifacts.ts';
import type { BundleCache } from './bundle-cache.ts';
import { copyTree } from './copy-tree.ts';
import { isAttemptKey, openDirectories } from './directories.ts';
import type { Git } from './git.ts';
import { removeTree } from './remove-tree.ts';

export interface WorkspacesOptions {
  /** The slave's work directory; attempts are kept below it. */
  root: string;
  cache: BundleCache;
  git: Git;
  clock: Clock;
  log: Log;
}

export function makeWorkspaces({ root, cache, git, clock, log }: WorkspacesOptions): Workspaces {
  const attempts = join(root, 'attempts');
  const directories = openDirectories(attempts);

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
    async prepare(key, bundle, stopping) {
      stopping.throwIfAborted();
      const workspace = directories.open(key);
      if (bundle === undefined) return workspace;
      const startedAt = clock.now();
      try {
        await layOut(bundle, workspace.cwd, stopping.signal);
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
      if (!directories.close(key)) await removeTree(directories.pathOf(key));
    },

    async leftOver() {
      return (await readdir(attempts)).filter(isAttemptKey);
    },
  };
}

/** Nearly always so; three turns through the thread pool would tell no more. */
function isEmptyDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && readdirSync(path).length === 0;
}
