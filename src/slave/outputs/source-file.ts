import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { isOfTheSystem } from '../errno.ts';

/** What of a source file is needed to take it up again after a restart. */
export interface SourceState {
  /** Offset in the stream of the file's first byte; not 0 once the task emptied its own file. */
  base: number;
  droppedBytes: number;
  /** The line about dropped bytes is in the file: nothing more will be. */
  isMarked: boolean;
}

/** One stream of a task: a file that its processes append to, and that is never let grow long. */
export interface SourceFile {
  readonly state: SourceState;
  /** Bytes of the stream, as of the last look. */
  readonly size: number;
  /** The same without the line about dropped bytes: what the task wrote. */
  readonly taskSize: number;
  readonly droppedBytes: number;
  /** When it was last written, in the file system's time; only good to compare with another. */
  readonly writtenAt: number;
  /**
   * Sees how far the file has grown and cuts what is beyond the limit. If the task has emptied
   * it, the stream goes on at `keptTo`, and what lay behind that is dropped.
   */
  look: (keptTo: number) => { grownBytes: number; isEmptied: boolean };
  read: (offset: number, length: number) => Buffer;
  /**
   * Ends the stream with a line that says how much was dropped, if anything was. False: the disk
   * does not take it, and only `read` knows of it.
   */
  mark: () => boolean;
  close: () => void;
}

export function truncationMark(droppedBytes: number): string {
  return `\n[runyard: output truncated: ${droppedBytes} bytes dropped]\n`;
}

/** The line that ends a truncated stream: on disk or, where that takes no more, in memory. */
export interface LastLine {
  /** Adds it to the file, all of it or nothing; false: it is in memory. */
  write: (path: string, text: string) => boolean;
  /** How many bytes the stream has beyond those on disk. */
  readonly unwrittenBytes: number;
  read: (at: number, length: number) => Buffer;
}

export function makeLastLine(): LastLine {
  let unwritten = Buffer.alloc(0);
  return {
    write(path, text) {
      const end = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      try {
        appendFileSync(path, text);
        return true;
      } catch (error) {
        if (!isOfTheSystem(error)) throw error;
        if (existsSync(path)) truncateSync(path, end);
        unwritten = Buffer.from(text);
        return false;
      }
    },
    get unwrittenBytes() {
      return unwritten.length;
    },
    read: (at, length) => unwritten.subarray(at, at + length),
  };
}

export function openSource(path: string, limitBytes: number, resumed?: SourceState): SourceFile {
  const state = resumed ?? { base: 0, droppedBytes: 0, isMarked: false };
  let descriptor: number | undefined;
  const lastLine = makeLastLine();
  let size = state.base;
  let writtenAt = 0;

  function look(keptTo: number): { grownBytes: number; isEmptied: boolean } {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return { grownBytes: 0, isEmptied: false };
    const isEmptied = state.base + stat.size < size;
    if (isEmptied) {
      state.droppedBytes += size - keptTo;
      state.base = size = keptTo;
    }
    const grownBytes = state.base + stat.size - size;
    writtenAt = stat.mtimeMs;
    size = state.base + stat.size;
    const limit = Math.max(limitBytes, state.base);
    if (size > limit && !state.isMarked) {
      // Its processes append, so that they go on from here.
      truncateSync(path, limit - state.base);
      state.droppedBytes += size - limit;
      size = limit;
    }
    return { grownBytes, isEmptied };
  }

  function read(offset: number, length: number): Buffer {
    const written = size - lastLine.unwrittenBytes - offset;
    if (written <= 0) return lastLine.read(-written, length);
    descriptor ??= openSync(path, 'r');
    const bytes = Buffer.allocUnsafeSlow(Math.min(length, written));
    const count = readSync(descriptor, bytes, 0, bytes.length, offset - state.base);
    return bytes.subarray(0, count);
  }

  return {
    state,
    get size() {
      return size;
    },
    get droppedBytes() {
      return state.droppedBytes;
    },
    get taskSize() {
      return state.isMarked ? size - truncationMark(state.droppedBytes).length : size;
    },
    get writtenAt() {
      return writtenAt;
    },
    look,
    read,
    mark() {
      if (state.isMarked || state.droppedBytes === 0) return true;
      const text = truncationMark(state.droppedBytes);
      state.isMarked = true;
      size += text.length;
      return lastLine.write(path, text);
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
