import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { YardError, quote } from '../../base/errors.ts';
import type { Artifact } from '../ports.ts';
import { codeOf } from './remove-tree.ts';

export interface ArtifactLimits {
  filesMax: number;
  fileBytesMax: number;
}

export const ARTIFACT_LIMITS: ArtifactLimits = { filesMax: 1000, fileBytesMax: 2 ** 30 };

/** Of all that is looked at: a task may leave a million directories and not one file. */
const ENTRIES_MAX = 100_000;
const NAME_LENGTH_MAX = 1024;
const HASHES_AT_ONCE = 4;
const READ_BYTES = 512 * 1024;

/** Control characters, what reorders text on a screen, and the mark for what is not UTF-8. */
const UNFIT = /[\p{Cc}\u2028-\u202e\u2066-\u2069\ufffd]/u;

/**
 * The regular files below `dir`, in the order of their names. Nothing is followed: what a task
 * puts in the place of a file or directory does not become an artifact.
 */
export async function collectArtifacts(
  dir: string,
  limits: ArtifactLimits = ARTIFACT_LIMITS,
): Promise<Artifact[]> {
  const names = await namesBelow(dir, limits);
  const artifacts: Artifact[] = [];
  for (let at = 0; at < names.length; at += HASHES_AT_ONCE) {
    const some = names.slice(at, at + HASHES_AT_ONCE);
    const found = await Promise.all(some.map((name) => readArtifact(dir, name, limits)));
    for (const artifact of found) if (artifact) artifacts.push(artifact);
  }
  return artifacts;
}

async function namesBelow(dir: string, limits: ArtifactLimits): Promise<string[]> {
  const stat = await readable(dir, () => lstat(dir));
  if (!stat?.isDirectory()) return [];
  const files: string[] = [];
  let entries = 0;
  const waiting = [''];
  for (let prefix = waiting.pop(); prefix !== undefined; prefix = waiting.pop()) {
    const path = join(dir, prefix);
    const listed = await readable(prefix, () => readdir(path, { withFileTypes: true }));
    for (const entry of listed ?? []) {
      const name = prefix + entry.name;
      if (++entries > ENTRIES_MAX) throw tooMany(ENTRIES_MAX);
      if (entry.isDirectory()) waiting.push(`${name}/`);
      if (entry.isDirectory() || entry.isFile()) checkName(name);
      if (entry.isFile() && files.push(name) > limits.filesMax) throw tooMany(limits.filesMax);
    }
  }
  return files.toSorted();
}

function checkName(name: string): void {
  if (UNFIT.test(name) || name.length > NAME_LENGTH_MAX) {
    throw new YardError('artifact.name', `${quote(name)} is not a name that an artifact can have`, {
      hint: `UTF-8 without control characters, at most ${NAME_LENGTH_MAX} characters`,
    });
  }
}

async function readArtifact(
  dir: string,
  name: string,
  limits: ArtifactLimits,
): Promise<Artifact | undefined> {
  const path = join(dir, name);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await readable(name, () => open(path, flags));
  if (!handle) return undefined;
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) return undefined;
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, stat.size + 1));
    let bytes = 0;
    for (;;) {
      // The size is asked first so that a sparse giant is refused without being read.
      if (Math.max(bytes, stat.size) > limits.fileBytesMax) throw tooLarge(name, limits);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    return { name, bytes, sha256: hash.digest('hex'), path };
  } finally {
    await handle.close();
  }
}

/** Undefined for what is gone, or became a link; what forbids reading is the task's to put right. */
async function readable<T>(name: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined;
    if (!['EACCES', 'EPERM', 'ENAMETOOLONG'].includes(code)) throw error;
    throw new YardError('artifact.unreadable', `${quote(name)} cannot be read (${code})`, {
      hint: 'the task has to leave it readable',
      cause: error,
    });
  }
}

function tooMany(max: number): YardError {
  return new YardError('artifact.too_many', `more than ${max}`, {
    hint: 'pack them into one file',
  });
}

function tooLarge(name: string, { fileBytesMax }: ArtifactLimits): YardError {
  return new YardError('artifact.too_large', `${quote(name)} has more than ${fileBytesMax} bytes`);
}
