import { YardError, quote } from '../../base/errors.ts';

export interface BundleLimits {
  /** Of the archive, and of what the tree takes when copied out. */
  bytesMax: number;
  entriesMax: number;
}

export const BUNDLE_LIMITS: BundleLimits = { bytesMax: 4 * 2 ** 30, entriesMax: 100_000 };

/** Leaves room for the directory that a tree is put into, below what the system allows (4,096). */
const PATH_BYTES_MAX = 2048;
const NAME_BYTES_MAX = 255;

/** The one way to write an entry's name: relative, no `.` or empty part; '' for the root itself. */
export function entryPath(name: string): string {
  if (name.startsWith('/')) throw new YardError('archive.entry', `${quote(name)} leaves the root`);
  if (name.includes('\0')) throw new YardError('archive.entry', `${quote(name)} holds a NUL`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  for (const part of parts) {
    if (part === '..') throw new YardError('archive.entry', `${quote(name)} leaves the root`);
    if (isGitDirectory(part)) {
      throw new YardError('archive.entry', `${quote(name)} would configure git`);
    }
    if (Buffer.byteLength(part) > NAME_BYTES_MAX) throw tooLong(name);
  }
  const path = parts.join('/');
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) throw tooLong(name);
  return path;
}

function tooLong(name: string): YardError {
  return new YardError('archive.entry', `${quote(name)} is too long`, {
    hint: `names have at most ${NAME_BYTES_MAX} bytes, whole paths ${PATH_BYTES_MAX}`,
  });
}

/** A delivered `.git` makes git run what its configuration names, so no bundle has one. */
export function isGitDirectory(name: string): boolean {
  return name.toLowerCase() === '.git';
}

/**
 * Whether the link at `path` can only lead to something below the root, through whatever other
 * such links. So `..` may only come first: after a name, it would start from where that leads.
 */
export function linkStaysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  if (Buffer.byteLength(target) > PATH_BYTES_MAX) return false;
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const named = parts.findIndex((part) => part !== '..');
  const climbs = named === -1 ? parts.length : named;
  const depth = path.split('/').length - 1;
  return climbs <= depth && !parts.slice(climbs).includes('..');
}

export function tooManyEntries(limits: BundleLimits): YardError {
  return new YardError('archive.entries', `more than ${limits.entriesMax} entries`);
}

export function tooLarge(limits: BundleLimits): YardError {
  return new YardError('archive.too_large', `more than ${limits.bytesMax} bytes`);
}
