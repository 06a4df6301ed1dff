import { createHash } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isErrno } from './blob-errors.ts';

const READ_MAX = 256 * 1024;

/** undefined: no file of that name. */
export async function findSize(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Hex digest of the first `size` bytes, or of all there are if the file is shorter. */
export async function digestOf(handle: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(READ_MAX, size));
  for (let at = 0; at < size;) {
    const wanted = Math.min(buffer.length, size - at);
    const { bytesRead } = await handle.read(buffer, 0, wanted, at);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
}

/** Digest of a file that is not kept open. */
export async function digestAt(path: string, size: number): Promise<string> {
  const handle = await open(path, 'r');
  try {
    return await digestOf(handle, size);
  } finally {
    await handle.close();
  }
}

/** Calls `written` after each piece that reached the file. */
export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  written: (count: number) => void = () => {},
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const left = bytes.length - done;
    const { bytesWritten } = await handle.write(bytes, done, left, position + done);
    done += bytesWritten;
    written(bytesWritten);
  }
}
