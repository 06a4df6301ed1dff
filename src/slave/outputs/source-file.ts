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

export function truncationMark(droppedBytes: number): string {
  return `\n[runyard: output truncated: ${droppedBytes} bytes dropped]\n`;
}

/** The line that ends a truncated stream: on disk or, where that takes no more, in memory. */
export class LastLine {
  #unwritten = Buffer.alloc(0);

  /** How many bytes the stream has beyond those on disk. */
  get unwrittenBytes(): number {
    return this.#unwritten.length;
  }

  /** Adds it to the file, all of it or nothing; false: it is in memory. */
  write(path: string, text: string): boolean {
    const end = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    try {
      appendFileSync(path, text);
      return true;
    } catch (error) {
      if (!isOfTheSystem(error)) throw error;
      if (existsSync(path)) truncateSync(path, end);
      this.#unwritten = Buffer.from(text);
      return false;
    }
  }

  read(at: number, length: number): Buffer {
    return this.#unwritten.subarray(at, at + length);
  }
}

/**
 * One stream of a task: a file that its processes append to, and that is never let grow long.
 * A class, as each attempt has two: accessors of an object would make a hidden class for each.
 */
export class SourceFile {
  readonly state: SourceState;
  readonly #path: string;
  readonly #limitBytes: number;
  readonly #lastLine = new LastLine();
  #descriptor: number | undefined;
  #size: number;
  #writtenAt = 0;

  constructor(path: string, limitBytes: number, resumed?: SourceState) {
    this.#path = path;
    this.#limitBytes = limitBytes;
    this.state = resumed ?? { base: 0, droppedBytes: 0, isMarked: false };
    this.#size = this.state.base;
  }

  /** Bytes of the stream, as of the last look. */
  get size(): number {
    return this.#size;
  }

  /** The same without the line about dropped bytes: what the task wrote. */
  get taskSize(): number {
    const { isMarked, droppedBytes } = this.state;
    return isMarked ? this.#size - truncationMark(droppedBytes).length : this.#size;
  }

  get droppedBytes(): number {
    return this.state.droppedBytes;
  }

  /** When it was last written, in the file system's time; only good to compare with another. */
  get writtenAt(): number {
    return this.#writtenAt;
  }

  /**
   * Sees how far the file has grown and cuts what is beyond the limit. If the task has emptied
   * it, the stream goes on at `keptTo`, and what lay behind that is dropped.
   */
  look(keptTo: number): { grownBytes: number; isEmptied: boolean } {
    const { state } = this;
    const stat = statSync(this.#path, { throwIfNoEntry: false });
    if (!stat) return { grownBytes: 0, isEmptied: false };
    const isEmptied = state.base + stat.size < this.#size;
    if (isEmptied) {
      state.droppedBytes += this.#size - keptTo;
      state.base = this.#size = keptTo;
    }
    const grownBytes = state.base + stat.size - this.#size;
    this.#writtenAt = stat.mtimeMs;
    this.#size = state.base + stat.size;
    const limit = Math.max(this.#limitBytes, state.base);
    if (this.#size > limit && !state.isMarked) {
      // Its processes append, so that they go on from here.
      truncateSync(this.#path, limit - state.base);
      state.droppedBytes += this.#size - limit;
      this.#size = limit;
    }
    return { grownBytes, isEmptied };
  }

  read(offset: number, length: number): Buffer {
    const written = this.#size - this.#lastLine.unwrittenBytes - offset;
    if (written <= 0) return this.#lastLine.read(-written, length);
    this.#descriptor ??= openSync(this.#path, 'r');
    const bytes = Buffer.allocUnsafeSlow(Math.min(length, written));
    const at = offset - this.state.base;
    return bytes.subarray(0, readSync(this.#descriptor, bytes, 0, bytes.length, at));
  }

  /**
   * Ends the stream with a line that says how much was dropped, if anything was. False: the disk
   * does not take it, and only `read` knows of it.
   */
  mark(): boolean {
    const { state } = this;
    if (state.isMarked || state.droppedBytes === 0) return true;
    const text = truncationMark(state.droppedBytes);
    state.isMarked = true;
    this.#size += text.length;
    return this.#lastLine.write(this.#path, text);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
