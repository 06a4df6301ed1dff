import { access, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Of } from '../../base/sha256.ts';
import type { Clock } from '../../base/clock.ts';
import { YardError, assert, isYardError, quote } from '../../base/errors.ts';
import { GIT_SCHEMES, isCommit } from '../../protocol/bundle-ref.ts';
import type { GitScheme } from '../../protocol/bundle-ref.ts';
import { untilAborted } from './abort.ts';
import { gitRunner } from './git-command.ts';
import type { RunGit } from './git-command.ts';
import { codeOf, removeTree } from './remove-tree.ts';

export interface Git {
  /** Of the URLs that it fetches from. */
  readonly schemes: readonly GitScheme[];
  /** Fills the empty directory `into` with the files of one commit, and nothing of git's own. */
  checkout: (source: GitSource, into: string, signal: AbortSignal) => Promise<void>;
}

export interface GitSource {
  url: string;
  commit: string;
}

export interface GitOptions {
  /** Where what was fetched is kept, a bare repository for each URL. */
  dir: string;
  clock: Clock;
  /** `file` only for tests and trusted local mirrors. */
  schemes?: readonly GitScheme[];
  /** Added to an environment made from scratch: a proxy, SSH_AUTH_SOCK. */
  env?: Readonly<Record<string, string>>;
}

export function makeGit(options: GitOptions): Git {
  const { dir, schemes = GIT_SCHEMES } = options;
  const git = gitRunner({ clock: options.clock, schemes, env: options.env ?? {} });
  const inTurn = makeTurns();

  return {
    schemes,
    async checkout(source, into, signal) {
      assert(isCommit(source.commit), `${source.commit} is a commit`);
      const cache = cacheOf(dir, source);
      const fetched = await inTurn(cache, signal, () => fetchOnce(git, cache, source, signal));
      try {
        await layOut(git, cache, source, into, signal);
      } catch (error) {
        const broken = isYardError(error) && error.code === 'bundle.git';
        if (fetched || !broken || signal.aborted) throw error;
        // What an earlier run fetched may be damaged: it is given up, and the commit fetched anew.
        await emptyDirectory(into);
        await inTurn(cache, signal, async () => {
          await removeTree(cache);
          await fetchOnce(git, cache, source, signal);
        });
        await layOut(git, cache, source, into, signal);
      }
    },
  };
}

/** SHA-1 and SHA-256 objects do not live in one repository. */
function cacheOf(dir: string, { url, commit }: GitSource): string {
  const format = objectFormatOf(commit);
  return join(dir, sha256Of(`${format} ${url}`).slice(0, 40));
}

function objectFormatOf(commit: string): string {
  return commit.length === 64 ? 'sha256' : 'sha1';
}

/** Answers whether it had to. The ref of a commit is written last, when all of it is there. */
async function fetchOnce(git: RunGit, cache: string, source: GitSource, signal: AbortSignal) {
  const { url, commit } = source;
  const ref = `refs/runyard/${commit}`;
  if (await isThere(join(cache, ref))) return false;

  await mkdir(cache, { recursive: true, mode: 0o700 });
  const format = `--object-format=${objectFormatOf(commit)}`;
  await git(['init', '--quiet', '--bare', '--template=', format, '--', cache], signal);
  await removeLeavings(cache);
  const flags = [
    '--depth=1',
    '--no-tags',
    '--no-recurse-submodules',
    '--quiet',
    '--no-write-fetch-head',
  ];
  const what = ['--end-of-options', url, `+${commit}:${ref}`];
  await git([`--git-dir=${cache}`, 'fetch', ...flags, ...what], signal).catch((error: unknown) => {
    throw fetchError(error, source);
  });
  return true;
}

/** A git that was killed leaves its locks, and with them nobody could ever fetch again. */
async function removeLeavings(cache: string): Promise<void> {
  await mkdir(join(cache, 'refs', 'runyard'), { recursive: true });
  for (const part of ['.', 'objects/pack', 'refs/runyard']) {
    for (const name of await readdir(join(cache, part))) {
      if (name.endsWith('.lock') || name.startsWith('tmp_')) await rm(join(cache, part, name));
    }
  }
}

function fetchError(error: unknown, { url, commit }: GitSource): unknown {
  if (!isYardError(error) || error.code !== 'bundle.git') return error;
  const unknown = /not our ref|unadvertised object|couldn't find remote ref/i.test(error.what);
  const what = `${commit} of ${quote(url)}: ${error.what}`;
  return new YardError(unknown ? 'bundle.unknown' : 'net.git', what, { cause: error });
}

/**
 * Checks a commit out through a repository of the attempt's own that borrows the cache's objects:
 * no index, lock or HEAD is shared between attempts.
 */
async function layOut(
  git: RunGit,
  cache: string,
  { commit }: GitSource,
  into: string,
  signal: AbortSignal,
): Promise<void> {
  const gitDir = join(into, '.git');
  const format = `--object-format=${objectFormatOf(commit)}`;
  await git(['init', '--quiet', '--template=', format, '--', into], signal);
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true });
  await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${join(cache, 'objects')}\n`);
  const here = [`--git-dir=${gitDir}`, `--work-tree=${into}`];
  await git([...here, 'checkout', '--quiet', '--force', '--detach', commit, '--'], signal);
  const head = (await git([...here, 'rev-parse', '--verify', 'HEAD'], signal)).trim();
  if (head !== commit) {
    throw new YardError('bundle.head', `${commit} is checked out as ${quote(head)}`, {
      hint: 'name the commit itself, not a tag of it',
    });
  }
  await removeTree(gitDir);
}

async function emptyDirectory(dir: string): Promise<void> {
  await Promise.all((await readdir(dir)).map((name) => removeTree(join(dir, name))));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Runs what has the same key one after the other; an abort ends the waiting, too. */
function makeTurns() {
  const last = new Map<string, Promise<unknown>>();

  return async <T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    const before = last.get(key) ?? Promise.resolve();
    const mine = untilAborted(before, signal).then(work);
    // How a turn ends is its own caller's matter, not that of the next one.
    const over = Promise.allSettled([before, mine]);
    last.set(key, over);
    void over.then(() => {
      if (last.get(key) === over) last.delete(key);
    });
    return mine;
  };
}
