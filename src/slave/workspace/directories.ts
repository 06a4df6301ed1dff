import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { YardError, assert } from '../../base/errors.ts';
import { STREAMS } from '../../protocol/outputs.ts';
import { JOURNAL } from '../file-spool.ts';
import type { AttemptKey, Workspace } from '../ports.ts';
import { codeOf } from './remove-tree.ts';

/**
 * The directories of attempts. One that a task left just as it found it serves the next attempt:
 * making and removing eight files is more work for the system than to run a short task, and a file
 * system without a journal becomes slower with every file that it removed in the last minutes.
 */
export interface Directories {
  pathOf: (key: AttemptKey) => string;
  /** Gives an attempt its own, with the two in it empty. */
  open: (key: AttemptKey) => Workspace;
  /** Takes it back, or removes it if that is quickly done; false: there is more to it. */
  close: (key: AttemptKey) => boolean;
}

const KEY = /^[A-Za-z0-9_-]{1,64}\.[0-9]{1,9}$/;
/** No attempt is called so. */
const SPARE = /^spare-\d+$/;
const SPARES_MAX = 256;
const MODE = 0o700;
/** Each attempt adds to the file `exit`. */
const USES_MAX = 100;

/** When its two directories were last changed in any way. */
interface Marks {
  cwd: bigint;
  artifacts: bigint;
  /** Attempts that it has served. */
  uses: number;
}

/** `attempts` is the directory that holds them. */
export function openDirectories(attempts: string): Directories {
  mkdirSync(attempts, { recursive: true, mode: MODE });
  for (const name of readdirSync(attempts)) {
    if (SPARE.test(name)) rmSync(join(attempts, name), { recursive: true, force: true });
  }
  const spares: { path: string; marks: Marks }[] = [];
  const marksOf = new Map<AttemptKey, Marks>();
  let numbers = 0;

  function pathOf(key: AttemptKey): string {
    assert(KEY.test(key), 'an attempt key names a run and a number');
    return join(attempts, key);
  }

  function makeAnew(workspace: Workspace): Marks {
    mkdirSync(workspace.root, MODE);
    mkdirSync(workspace.cwd, MODE);
    mkdirSync(workspace.artifactsDir, MODE);
    return { ...readMarks(workspace), uses: 0 };
  }

  return {
    pathOf,
    open(key) {
      const workspace = workspaceAt(pathOf(key));
      const spare = spares.pop();
      try {
        if (spare) renameSync(spare.path, workspace.root);
        marksOf.set(key, spare?.marks ?? makeAnew(workspace));
      } catch (error) {
        if (spare) spares.push(spare);
        if (!['EEXIST', 'ENOTEMPTY'].includes(codeOf(error) ?? '')) throw error;
        throw new YardError('slave.workspace', `attempt ${key} has a directory already`, {
          hint: 'remove it first: no two attempts share one',
        });
      }
      return workspace;
    },
    close(key) {
      const workspace = workspaceAt(pathOf(key));
      const marks = marksOf.get(key);
      marksOf.delete(key);
      try {
        const isSpared = marks && marks.uses < USES_MAX && spares.length < SPARES_MAX;
        if (!isSpared || !isAsFound(workspace, marks)) return removedQuickly(workspace);
        const path = join(attempts, `spare-${++numbers}`);
        renameSync(workspace.root, path);
        spares.push({ path, marks: { ...marks, uses: marks.uses + 1 } });
        return true;
      } catch (error) {
        // Whatever it was, the thorough way meets it again, and knows what to do or to say.
        if (codeOf(error) !== undefined) return false;
        throw error;
      }
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

export function isAttemptKey(name: string): boolean {
  return KEY.test(name);
}

/** Nobody can set the time of the last change of an inode; all that a task does to one shows. */
function readMarks({ cwd, artifactsDir }: Workspace): Pick<Marks, 'cwd' | 'artifacts'> {
  return { cwd: changeOf(cwd), artifacts: changeOf(artifactsDir) };
}

function changeOf(directory: string): bigint {
  const stat = lstatSync(directory, { bigint: true });
  return stat.isDirectory() ? stat.ctimeNs : -1n;
}

/** Leaves in it only what is as if nobody had been there, and what names the attempt it is of. */
function isAsFound(workspace: Workspace, marks: Marks): boolean {
  const { root, cwd, artifactsDir } = workspace;
  const stat = lstatSync(root);
  if (!stat.isDirectory() || (stat.mode & 0o7777) !== MODE) return false;
  const now = readMarks(workspace);
  if (now.cwd !== marks.cwd || now.artifacts !== marks.artifacts) return false;
  // What happened within the file system's tick in which they were made left no mark.
  if (marks.uses === 0 && readdirSync(cwd).length + readdirSync(artifactsDir).length > 0)
    return false;
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const path = join(root, entry.name);
    if (path === cwd || path === artifactsDir) continue;
    if (!entry.isFile()) return false;
    if (entry.name === JOURNAL) wipe(path);
    else if (entry.name !== 'exit' && !isUnused(workspace, path)) unlinkSync(path);
  }
  return true;
}

/** The next task could read in it what this one was told in confidence. */
function wipe(path: string): void {
  const journal = openSync(path, 'r+');
  try {
    const { size } = fstatSync(journal);
    writeSync(journal, Buffer.alloc(size), 0, size, 0);
  } finally {
    closeSync(journal);
  }
}

/** A stream that nothing was written to. */
function isUnused({ files }: Workspace, path: string): boolean {
  if (path !== files.stdout && path !== files.stderr) return false;
  const { size, nlink } = lstatSync(path);
  return size === 0 && nlink === 1;
}

/**
 * Removes an attempt that left only its streams and the like, as nearly all do. False if there is
 * anything more to it, or anything in the place of a directory; no link is followed to find out.
 */
function removedQuickly({ root, cwd, artifactsDir }: Workspace): boolean {
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
}
