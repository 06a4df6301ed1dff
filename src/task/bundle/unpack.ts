import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { YardError, isYardError, quote } from '../../base/errors.ts';
import { BUNDLE_LIMITS, entryPath, linkStaysInside, tooLarge, tooManyEntries } from './entry.ts';
import type { BundleLimits } from './entry.ts';
import { readTar } from './read-tar.ts';
import type { ReadTarEntry } from './read-tar.ts';

export interface UnpackOptions {
  limits?: BundleLimits;
  /** Seen between pieces; a source that may hang has to end by itself when it is aborted. */
  signal?: AbortSignal;
}

export interface UnpackedTree {
  /** Files, directories and links. */
  entries: number;
  /** Of all files together. */
  bytes: number;
}

/**
 * Makes `dir` (which must not exist) the tree of the bundle `id`, or refuses and leaves nothing:
 * the tree grows under another name beside it, and gets its own when the digest is right.
 * Its own root is mode 0700.
 */
export async function unpackBundle(
  source: AsyncIterable<Uint8Array>,
  id: string,
  dir: string,
  options: UnpackOptions = {},
): Promise<UnpackedTree> {
  const partial = await mkdtemp(`${dir}.partial-`);
  const archive = digested(source, options);
  try {
    const tree = await grow(partial, archive, id, options.limits ?? BUNDLE_LIMITS);
    await rename(partial, dir);
    return tree;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    await archive.close();
  }
}

type Archive = ReturnType<typeof digested>;

function digested(source: AsyncIterable<Uint8Array>, options: UnpackOptions) {
  const { signal, limits = BUNDLE_LIMITS } = options;
  const pieces = source[Symbol.asyncIterator]();
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async next(): Promise<Uint8Array | undefined> {
      signal?.throwIfAborted();
      const { done, value } = await pieces.next();
      if (done) return undefined;
      bytes += value.length;
      if (bytes > limits.bytesMax) throw tooLarge(limits);
      hash.update(value);
      return value;
    },
    /** Call at the end. */
    id: () => `fs-${hash.digest('hex')}`,
    close: async () => void (await pieces.return?.()),
  };
}

async function grow(root: string, archive: Archive, id: string, limits: BundleLimits) {
  const tree = growingTree(root, limits);
  try {
    for await (const entry of readTar(() => archive.next())) await tree.add(entry);
  } catch (error) {
    // What cannot be read is mostly a damaged copy: then that is what is wrong with it.
    if (!isYardError(error) || error.code !== 'archive.format') throw error;
    while (await archive.next());
    checkDigest(archive, id);
    throw error;
  }
  checkDigest(archive, id);
  return tree.counted();
}

function checkDigest(archive: Archive, id: string): void {
  const found = archive.id();
  if (found === id) return;
  throw new YardError('archive.sha256', `the bytes are those of ${found}, not of ${quote(id)}`, {
    hint: 'they were damaged on the way or at rest: fetch them again',
  });
}

/**
 * Everything below `root` was made here, and nothing is made through a link: each parent is a
 * directory of this very tree, and each name is new, on file systems that fold case as well.
 */
function growingTree(root: string, limits: BundleLimits) {
  const kinds = new Map<string, ReadTarEntry['kind']>([['', 'directory']]);
  const sizes = new Map<string, number>();
  let bytes = 0;

  async function claim(path: string, name: string, kind: ReadTarEntry['kind']): Promise<void> {
    const parent = dirname(`/${path}`).slice(1);
    const found = kinds.get(parent);
    if (found === undefined) await addDirectory(parent, name);
    else if (found !== 'directory') {
      throw new YardError('archive.entry', `${quote(name)} goes through what is no directory`);
    }
    if (kinds.has(path)) throw twice(name);
    if (kinds.size > limits.entriesMax) throw tooManyEntries(limits);
    kinds.set(path, kind);
  }

  async function addDirectory(path: string, name: string): Promise<void> {
    if (kinds.get(path) === 'directory') return;
    await claim(path, name, 'directory');
    await anew(name, () => mkdir(join(root, path), 0o755));
  }

  function count(size: number): void {
    bytes += size;
    if (bytes > limits.bytesMax) throw tooLarge(limits);
  }

  async function addFile(path: string, entry: ReadTarEntry): Promise<void> {
    count(entry.size);
    await claim(path, entry.name, 'file');
    sizes.set(path, entry.size);
    await anew(entry.name, () => writeNew(join(root, path), entry));
  }

  /** A second name becomes a second file: whoever changes one tree must not change another. */
  async function addHardlink(path: string, { name, target }: ReadTarEntry): Promise<void> {
    const original = entryPath(target);
    const size = sizes.get(original);
    if (size === undefined) {
      throw new YardError('archive.entry', `${quote(name)} links to ${quote(target)}`, {
        hint: 'a hard link leads to a file that stands before it in the archive',
      });
    }
    count(size);
    await claim(path, name, 'file');
    sizes.set(path, size);
    const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE;
    await anew(name, () => copyFile(join(root, original), join(root, path), flags));
  }

  async function addSymlink(path: string, { name, target }: ReadTarEntry): Promise<void> {
    if (!linkStaysInside(path, target)) {
      throw new YardError('archive.entry', `${quote(name)} leads to ${quote(target)}`, {
        hint: 'links in a bundle are relative and stay inside it',
      });
    }
    await claim(path, name, 'symlink');
    await anew(name, () => symlink(target, join(root, path)));
  }

  return {
    async add(entry: ReadTarEntry): Promise<void> {
      const path = entryPath(entry.name);
      if (path === '' && entry.kind !== 'directory') throw twice(entry.name);
      if (entry.kind === 'directory') return addDirectory(path, entry.name);
      if (entry.kind === 'file') return addFile(path, entry);
      if (entry.kind === 'hardlink') return addHardlink(path, entry);
      return addSymlink(path, entry);
    },
    counted: (): UnpackedTree => ({ entries: kinds.size - 1, bytes }),
  };
}

/** Of the archive's mode only this much is taken: no set-id, no sticky bit, no writing by others. */
async function writeNew(path: string, entry: ReadTarEntry): Promise<void> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const mode = (entry.mode & 0o755) | 0o600;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    for await (const piece of entry.body) await handle.writeFile(piece);
  } finally {
    await handle.close();
  }
}

async function anew(name: string, make: () => Promise<unknown>): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw twice(name);
    throw error;
  }
}

function twice(name: string): YardError {
  return new YardError('archive.entry', `${quote(name)} is there twice`);
}
