import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { lstat, mkdtemp, open, readdir, readlink, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Stats } from 'node:fs';
import type { Readable } from 'node:stream';
import { YardError, isYardError, quote } from '../../base/errors.ts';
import {
  BUNDLE_LIMITS,
  entryPath,
  isGitDirectory,
  linkStaysInside,
  tooLarge,
  tooManyEntries,
} from './entry.ts';
import type { BundleLimits } from './entry.ts';
import { TAR_END, tarHeader, tarPadding } from './tar.ts';

export interface PackedBundle {
  /** `fs-` and the hex SHA-256 of the archive's bytes. */
  id: string;
  bytes: number;
  entries: number;
  /** The archive, from its start; as often as needed until `close`. */
  open: () => Readable;
  /** Removes the spooled archive. */
  close: () => Promise<void>;
}

export interface PackOptions {
  limits?: BundleLimits;
  /** Where the archive is spooled; the system's place for temporary files by default. */
  spoolDir?: string;
}

const READ_BYTES = 512 * 1024;
const WRITE_BYTES = 256 * 1024;

/**
 * Packs a directory, or a single file under its own name. The id follows from names, contents,
 * owner's execute bits and link targets alone, so the same tree has one id on every machine.
 * `.git` is left out; what cannot be part of a bundle is refused.
 */
export async function packBundle(path: string, options: PackOptions = {}): Promise<PackedBundle> {
  const limits = options.limits ?? BUNDLE_LIMITS;
  const spool = await mkdtemp(join(options.spoolDir ?? tmpdir(), 'runyard-pack-'));
  const file = join(spool, 'bundle.tar');
  const close = () => rm(spool, { recursive: true, force: true });
  try {
    const counted = await writeArchive(path, file, limits);
    return { ...counted, open: () => createReadStream(file), close };
  } catch (error) {
    await close();
    throw readable(error, path);
  }
}

async function writeArchive(path: string, file: string, limits: BundleLimits) {
  const hash = createHash('sha256');
  const count = { entries: 0 };
  const handle = await open(file, 'wx', 0o600);
  try {
    let bytes = 0;
    let waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    const flush = async () => {
      await handle.writeFile(Buffer.concat(waiting));
      [waiting, waitingBytes] = [[], 0];
    };
    for await (const piece of archiveOf(path, limits, count)) {
      hash.update(piece);
      bytes += piece.length;
      if (bytes > limits.bytesMax) throw tooLarge(limits);
      waiting.push(piece);
      waitingBytes += piece.length;
      if (waitingBytes >= WRITE_BYTES) await flush();
    }
    await flush();
    return { id: `fs-${hash.digest('hex')}`, bytes, entries: count.entries };
  } finally {
    await handle.close();
  }
}

async function* archiveOf(
  path: string,
  limits: BundleLimits,
  count: { entries: number },
): AsyncGenerator<Uint8Array> {
  const root = await realpath(path);
  const stat = await lstat(root);
  const found = stat.isDirectory() ? walk(root, '') : [{ path: root, name: basename(path), stat }];
  for await (const entry of found) {
    if (++count.entries > limits.entriesMax) throw tooManyEntries(limits);
    yield* entryBytes({ ...entry, name: storable(entry.name) }, limits);
  }
  yield TAR_END;
}

interface Found {
  path: string;
  name: string;
  stat: Stats;
}

/** All below a directory, each directory before what is in it, names in the order of their bytes. */
async function* walk(directory: string, prefix: string): AsyncGenerator<Found> {
  const names = await readdir(directory);
  for (const name of names.toSorted(byBytes)) {
    if (isGitDirectory(name)) continue;
    const found = { path: join(directory, name), name: prefix + name };
    if (name.includes('\ufffd')) throw new YardError('bundle.name', notUtf8(found.name));
    const stat = await lstat(found.path);
    yield { ...found, stat };
    if (stat.isDirectory()) yield* walk(found.path, `${found.name}/`);
  }
}

function notUtf8(name: string): string {
  return `${quote(name)} is not UTF-8, or holds the mark for what is not`;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function storable(name: string): string {
  const path = entryPath(name);
  if (path === '') throw new YardError('bundle.name', `${quote(name)} is not a file name`);
  return path;
}

/** Permissions that depend on who checked the tree out are left out; only execution is kept. */
async function* entryBytes(found: Found, limits: BundleLimits): AsyncGenerator<Uint8Array> {
  const { path, name, stat } = found;
  const entry = { name, mode: 0o755, size: 0, target: '' };
  if (stat.isDirectory()) {
    yield tarHeader({ ...entry, kind: 'directory' });
  } else if (stat.isSymbolicLink()) {
    const target = await readlink(path);
    if (target.includes('\ufffd')) throw new YardError('bundle.name', notUtf8(target));
    if (!linkStaysInside(name, target)) {
      throw new YardError('bundle.link', `${quote(name)} leads to ${quote(target)}`, {
        hint: 'links in a bundle are relative and stay inside it',
      });
    }
    yield tarHeader({ ...entry, kind: 'symlink', target });
  } else if (stat.isFile()) {
    yield* fileBytes(found, limits);
  } else {
    throw notAFile(name);
  }
}

async function* fileBytes({ path, name }: Found, limits: BundleLimits): AsyncGenerator<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw notAFile(name);
    if (stat.size > limits.bytesMax) throw tooLarge(limits);
    const mode = stat.mode & 0o100 ? 0o755 : 0o644;
    yield tarHeader({ name, kind: 'file', mode, size: stat.size, target: '' });
    for (let left = stat.size; left > 0;) {
      const buffer = Buffer.allocUnsafe(Math.min(left, READ_BYTES));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) {
        throw new YardError('bundle.changed', `${quote(name)} shrank while it was read`, {
          hint: 'pack it again when nothing writes to it',
        });
      }
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    yield tarPadding(stat.size);
  } finally {
    await handle.close();
  }
}

function notAFile(name: string): YardError {
  return new YardError('bundle.type', `${quote(name)} is neither file, directory nor link`, {
    hint: 'remove it, or pack a directory without it',
  });
}

/** What the file system refuses of a path that somebody named is for them to put right. */
function readable(error: unknown, path: string): unknown {
  if (isYardError(error) || !(error instanceof Error) || !('code' in error)) return error;
  const what: Record<string, string> = {
    ENOENT: 'is not there',
    ENOTDIR: 'is not there',
    EACCES: 'may not be read',
    EPERM: 'may not be read',
    ELOOP: 'is a link to itself, or changed while it was read',
  };
  const why = what[String(error.code)];
  if (why === undefined) return error;
  const at = 'path' in error ? String(error.path) : path;
  return new YardError('bundle.path', `${quote(at)} ${why}`, { cause: error });
}
