import { chmod, lstat, readdir, rename, rmdir, unlink } from 'node:fs/promises';

/** Deeper than this, the system may soon refuse a path as too long (4,096 bytes). */
const PATH_BYTES_MAX = 2048;
const UNLINKS_AT_ONCE = 32;

/**
 * Removes whatever is at `root`, never following a link, however deep it is, whatever its names
 * and permissions are. Nothing may be writing there any more. Nothing there: nothing done.
 */
export async function removeTree(root: string): Promise<void> {
  const path = Buffer.from(root);
  try {
    if ((await lstat(path)).isDirectory()) await removeDirectory(path, path);
    else await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Paths are bytes, because the names that a task gives need not be UTF-8. */
async function removeDirectory(path: Buffer, root: Buffer): Promise<void> {
  const here = path.length > PATH_BYTES_MAX ? await moveUp(path, root) : path;
  await openUp(here);
  const files: Buffer[] = [];
  for (const entry of await readdir(here, { withFileTypes: true, encoding: 'buffer' })) {
    const child = Buffer.concat([here, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) await removeDirectory(child, root);
    else files.push(child);
  }
  for (let at = 0; at < files.length; at += UNLINKS_AT_ONCE) {
    await Promise.all(files.slice(at, at + UNLINKS_AT_ONCE).map((file) => unlink(file)));
  }
  await rmdir(here);
}

/** A task may have forbidden all on its directories; as their owner we may allow it again. */
async function openUp(directory: Buffer): Promise<void> {
  try {
    await chmod(directory, 0o700);
  } catch (error) {
    // Somebody else's: whether it can be emptied nevertheless, the next step says.
    if (codeOf(error) !== 'EPERM') throw error;
  }
}

async function moveUp(path: Buffer, root: Buffer): Promise<Buffer> {
  for (let number = 0; ; number++) {
    const higher = Buffer.concat([root, Buffer.from(`/.deep-${number}`)]);
    try {
      await rename(path, higher);
      return higher;
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error;
    }
  }
}

/** The system's name for what went wrong, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
