import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { YardError, quote } from '../../base/errors.ts';
import { findSize } from './blob-bytes.ts';
import { isErrno, unknownBlob } from './blob-errors.ts';
import type { BlobPaths } from './blob-paths.ts';
import type { Key } from './port.ts';

export interface ByteRange {
  from: number;
  /** Exclusive. */
  to?: number;
}

export async function findStat({ part, sealed }: BlobPaths) {
  // Sealed a second time: it may be sealed between the first two questions.
  for (const path of [sealed, part, sealed]) {
    const bytes = await findSize(path);
    if (bytes !== undefined) return { bytes, sealed: path === sealed };
  }
  return undefined;
}

/** Streams what the blob holds now; what is appended later needs a new call. */
export async function read(key: Key, paths: BlobPaths, range: ByteRange): Promise<Readable> {
  const { from, to = Infinity } = range;
  if (!Number.isSafeInteger(from) || from < 0 || !(to >= from)) {
    throw wrongRange(key, `${quote(from)} to ${quote(to)} is no range`);
  }
  const found = await findFile(paths);
  if (found === undefined) throw unknownBlob(key);
  const { handle, size } = found;
  const end = Math.min(to, size);
  if (from < end) return handle.createReadStream({ start: from, end: end - 1 });
  await handle.close();
  if (from > size) throw wrongRange(key, `it holds ${size} bytes, not ${from}`);
  return Readable.from([]);
}

async function findFile({ part, sealed }: BlobPaths) {
  for (const path of [sealed, part, sealed]) {
    const handle = await findHandle(path);
    if (handle === undefined) continue;
    const found = await handle.stat();
    if (found.isFile()) return { handle, size: found.size };
    await handle.close();
  }
  return undefined;
}

async function findHandle(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function wrongRange(key: Key, why: string): YardError {
  return new YardError('output.range', `${quote(key)}: ${why}`, {
    hint: 'ask for bytes that are there',
  });
}
