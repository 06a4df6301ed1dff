import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dirent } from 'node:fs';

const COPIES_AT_ONCE = 16;

/**
 * Copies what is below `from` into the existing directory `to`. Each file becomes one of its own
 * (sharing blocks where the file system can), links stay links, and nothing is followed.
 */
export async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true });
  const others = entries.filter((entry) => !entry.isDirectory());
  for (let at = 0; at < others.length; at += COPIES_AT_ONCE) {
    signal.throwIfAborted();
    const some = others.slice(at, at + COPIES_AT_ONCE);
    await Promise.all(some.map((entry) => copyOne(entry, from, to)));
  }
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    signal.throwIfAborted();
    await mkdir(join(to, name), 0o755);
    await copyTree(join(from, name), join(to, name), signal);
  }
}

async function copyOne(entry: Dirent, from: string, to: string): Promise<void> {
  const [source, target] = [join(from, entry.name), join(to, entry.name)];
  if (entry.isSymbolicLink()) return symlink(await readlink(source), target);
  return copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
}
