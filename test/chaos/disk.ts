/** A small file system for the master's state, that can be filled. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface SmallDisk {
  /** Below it lies what the master keeps. */
  readonly path: string;
  /** Takes all the room there is. */
  fill: () => void;
  free: () => void;
  remove: () => void;
}

/** undefined: this process may not mount. */
export function mountSmallDisk(path: string, size: string): SmallDisk | undefined {
  mkdirSync(path, { recursive: true });
  const options = ['-t', 'tmpfs', '-o', `size=${size}`, 'none', path];
  if (spawnSync('mount', options).status !== 0) return undefined;
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      const file = openSync(filler, 'w');
      try {
        for (const bytes = Buffer.alloc(2 ** 16); ;) writeSync(file, bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    // Lazily: what was killed may have files open for a moment yet.
    remove: () => void execFileSync('umount', ['-l', path]),
  };
}
