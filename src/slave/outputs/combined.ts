import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { SourceFile, SourceState } from './source-file.ts';
import { truncationMark } from './source-file.ts';

export const SOURCES = ['stdout', 'stderr'] as const;
export type SourceName = (typeof SOURCES)[number];

/** How far `combined` is made; kept beside it, so that a restart goes on at the same bytes. */
export interface Progress {
  /** Its size without the line about dropped bytes, and whether that is there. */
  combined: { taskSize: number; isMarked: boolean };
  taken: Record<SourceName, number>;
  sources: Record<SourceName, SourceState>;
}

/** The file that holds both streams in the order in which they were seen. */
export interface Combined {
  readonly progress: Progress;
  readonly size: number;
  readonly droppedBytes: number;
  /**
   * Copies what is new in a source, in whole lines unless `isWhole` or a line is very long;
   * gives how many bytes it took, at most `max`.
   */
  take: (name: SourceName, source: SourceFile, isWhole: boolean, max: number) => number;
  /** Goes on at `offset` in a source whose earlier bytes are gone. */
  skipTo: (name: SourceName, offset: number) => void;
  /** Puts progress on disk. Only after that may the new bytes be sent. */
  save: () => void;
  read: (offset: number, length: number) => Buffer;
  mark: () => void;
  close: () => void;
}

const READ_MAX = 256 * 1024;
/** Lines longer than this are torn if they must be. */
const LINE_MAX = 64 * 1024;

export function findProgress(path: string): Progress | undefined {
  try {
    return JSON.parse(readFileSync(`${path}.progress`, 'utf8')) as Progress;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function saveProgress(path: string, progress: Progress): void {
  writeFileSync(`${path}.progress.new`, JSON.stringify(progress));
  renameSync(`${path}.progress.new`, `${path}.progress`);
}

export function openCombined(
  path: string,
  limitBytes: number,
  sources: Record<SourceName, SourceFile>,
  resumed?: Progress,
): Combined {
  const { combined = { taskSize: 0, isMarked: false }, taken = { stdout: 0, stderr: 0 } } =
    resumed ?? {};
  const states = { stdout: sources.stdout.state, stderr: sources.stderr.state };
  const progress: Progress = { combined, taken, sources: states };
  let descriptor: number | undefined;

  function file(): number {
    if (descriptor !== undefined) return descriptor;
    descriptor = openSync(path, 'a+');
    // Bytes beyond what was saved were never sent; they are made again.
    truncateSync(path, size());
    return descriptor;
  }

  function size(): number {
    const { taskSize, isMarked } = progress.combined;
    return isMarked ? taskSize + truncationMark(droppedOf(progress, sources)).length : taskSize;
  }

  function take(name: SourceName, source: SourceFile, isWhole: boolean, max: number): number {
    const from = progress.taken[name];
    const end = Math.min(source.taskSize, from + max);
    if (progress.combined.taskSize >= limitBytes) {
      progress.taken[name] = source.taskSize;
      return 0;
    }
    while (progress.taken[name] < end) {
      const at = progress.taken[name];
      const bytes = source.read(at, Math.min(READ_MAX, end - at));
      if (bytes.length === 0) break;
      const isLast = isWhole && at + bytes.length >= source.taskSize;
      const length = isLast ? bytes.length : lengthOfLines(bytes);
      if (length === 0) break;
      const room = limitBytes - progress.combined.taskSize;
      const kept = bytes.subarray(0, Math.min(length, Math.max(0, room)));
      writeAll(file(), kept);
      progress.combined.taskSize += kept.length;
      progress.taken[name] += length;
    }
    return progress.taken[name] - from;
  }

  return {
    progress,
    get size() {
      return size();
    },
    get droppedBytes() {
      return droppedOf(progress, sources);
    },
    take,
    skipTo: (name, offset) => void (progress.taken[name] = offset),
    save: () => saveProgress(path, progress),
    read(offset, length) {
      const bytes = Buffer.allocUnsafeSlow(length);
      return bytes.subarray(0, readSync(file(), bytes, 0, length, offset));
    },
    mark() {
      const dropped = droppedOf(progress, sources);
      if (progress.combined.isMarked || dropped === 0) return;
      writeAll(file(), Buffer.from(truncationMark(dropped)));
      progress.combined.isMarked = true;
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

/** What the task wrote, less what is here. */
function droppedOf(progress: Progress, { stdout, stderr }: Record<SourceName, SourceFile>): number {
  const written = stdout.taskSize + stderr.taskSize + stdout.droppedBytes + stderr.droppedBytes;
  return written - progress.combined.taskSize;
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
}

/** Up to the last newline; all of it if it is a line too long to wait for. */
function lengthOfLines(bytes: Buffer): number {
  const newline = bytes.lastIndexOf(10);
  if (newline >= 0) return newline + 1;
  return bytes.length >= LINE_MAX ? bytes.length : 0;
}
