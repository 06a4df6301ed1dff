import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { SourceFile, SourceState } from './source-file.ts';
import { makeLastLine, truncationMark } from './source-file.ts';

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
  /** Forgets what it took since it was saved: the disk did not take all of that. */
  rollBack: () => void;
  /** Takes nothing more: what is in the sources and not here counts as dropped. */
  giveUp: () => void;
  read: (offset: number, length: number) => Buffer;
  /** As that of a source. */
  mark: () => boolean;
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
  const lastLine = makeLastLine();
  const file = openFile(path, () => size() - lastLine.unwrittenBytes);
  let saved = { taskSize: combined.taskSize, taken: { ...taken } };

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
      const part = readPart(source, progress.taken[name], end, isWhole);
      if (part.length === 0) break;
      const kept = part.subarray(0, Math.max(0, limitBytes - progress.combined.taskSize));
      file.append(kept);
      progress.combined.taskSize += kept.length;
      progress.taken[name] += part.length;
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
    skipTo: (name, offset) => void (progress.taken[name] = saved.taken[name] = offset),
    save() {
      saveProgress(path, progress);
      saved = { taskSize: progress.combined.taskSize, taken: { ...progress.taken } };
    },
    rollBack() {
      progress.combined.taskSize = saved.taskSize;
      Object.assign(progress.taken, saved.taken);
      file.cut();
    },
    giveUp: () => SOURCES.forEach((name) => (progress.taken[name] = sources[name].taskSize)),
    read(offset, length) {
      const written = size() - lastLine.unwrittenBytes - offset;
      if (written <= 0) return lastLine.read(-written, length);
      return file.read(offset, Math.min(length, written));
    },
    mark() {
      const dropped = droppedOf(progress, sources);
      if (progress.combined.isMarked || dropped === 0) return true;
      file.cut();
      const isWritten = lastLine.write(path, truncationMark(dropped));
      progress.combined.isMarked = true;
      return isWritten;
    },
    close: () => file.close(),
  };
}

/** A file that is opened when it is first needed, and then holds only the first `sizeNow` bytes. */
function openFile(path: string, sizeNow: () => number) {
  let descriptor: number | undefined;
  function get(): number {
    if (descriptor !== undefined) return descriptor;
    descriptor = openSync(path, 'a+');
    // Bytes beyond what was saved were never sent; they are made again.
    truncateSync(path, sizeNow());
    return descriptor;
  }
  return {
    append(bytes: Uint8Array): void {
      for (let done = 0; done < bytes.length;) done += writeSync(get(), bytes, done);
    },
    read(offset: number, length: number): Buffer {
      const bytes = Buffer.allocUnsafeSlow(length);
      return bytes.subarray(0, readSync(get(), bytes, 0, length, offset));
    },
    cut(): void {
      if (existsSync(path)) truncateSync(path, sizeNow());
    },
    close(): void {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

/** What can be taken now of a source: whole lines, unless it is all there will be. */
function readPart(source: SourceFile, at: number, end: number, isWhole: boolean): Buffer {
  const bytes = source.read(at, Math.min(READ_MAX, end - at));
  const isLast = isWhole && at + bytes.length >= source.taskSize;
  return isLast ? bytes : bytes.subarray(0, lengthOfLines(bytes));
}

/** What the task wrote, less what is here. */
function droppedOf(progress: Progress, { stdout, stderr }: Record<SourceName, SourceFile>): number {
  const written = stdout.taskSize + stderr.taskSize + stdout.droppedBytes + stderr.droppedBytes;
  return written - progress.combined.taskSize;
}

/** Up to the last newline; all of it if it is a line too long to wait for. */
function lengthOfLines(bytes: Buffer): number {
  const newline = bytes.lastIndexOf(10);
  if (newline >= 0) return newline + 1;
  return bytes.length >= LINE_MAX ? bytes.length : 0;
}
