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
import { LastLine, truncationMark } from './source-file.ts';

export const SOURCES = ['stdout', 'stderr'] as const;
export type SourceName = (typeof SOURCES)[number];

/** How far `combined` is made; kept beside it, so that a restart goes on at the same bytes. */
export interface Progress {
  /** Its size without the line about dropped bytes, and whether that is there. */
  combined: { taskSize: number; isMarked: boolean };
  taken: Record<SourceName, number>;
  sources: Record<SourceName, SourceState>;
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

/** The file that holds both streams in the order in which they were seen. */
export class Combined {
  readonly progress: Progress;
  readonly #path: string;
  readonly #limitBytes: number;
  readonly #sources: Record<SourceName, SourceFile>;
  readonly #lastLine = new LastLine();
  readonly #file: ReturnType<typeof openFile>;
  #saved: { taskSize: number; taken: Record<SourceName, number> };

  constructor(
    path: string,
    limitBytes: number,
    sources: Record<SourceName, SourceFile>,
    resumed?: Progress,
  ) {
    const { combined = { taskSize: 0, isMarked: false }, taken = { stdout: 0, stderr: 0 } } =
      resumed ?? {};
    const states = { stdout: sources.stdout.state, stderr: sources.stderr.state };
    this.progress = { combined, taken, sources: states };
    this.#path = path;
    this.#limitBytes = limitBytes;
    this.#sources = sources;
    this.#file = openFile(path, () => this.size - this.#lastLine.unwrittenBytes);
    this.#saved = { taskSize: combined.taskSize, taken: { ...taken } };
  }

  get size(): number {
    const { taskSize, isMarked } = this.progress.combined;
    return isMarked ? taskSize + truncationMark(this.droppedBytes).length : taskSize;
  }

  /** What the task wrote, less what is here. */
  get droppedBytes(): number {
    const { stdout, stderr } = this.#sources;
    const written = stdout.taskSize + stderr.taskSize + stdout.droppedBytes + stderr.droppedBytes;
    return written - this.progress.combined.taskSize;
  }

  /**
   * Copies what is new in a source, in whole lines unless `isWhole` or a line is very long;
   * gives how many bytes it took, at most `max`.
   */
  take(name: SourceName, source: SourceFile, isWhole: boolean, max: number): number {
    const { combined, taken } = this.progress;
    const from = taken[name];
    const end = Math.min(source.taskSize, from + max);
    if (combined.taskSize >= this.#limitBytes) {
      taken[name] = source.taskSize;
      return 0;
    }
    while (taken[name] < end) {
      const part = readPart(source, taken[name], end, isWhole);
      if (part.length === 0) break;
      const kept = part.subarray(0, Math.max(0, this.#limitBytes - combined.taskSize));
      this.#file.append(kept);
      combined.taskSize += kept.length;
      taken[name] += part.length;
    }
    return taken[name] - from;
  }

  /** Goes on at `offset` in a source whose earlier bytes are gone. */
  skipTo(name: SourceName, offset: number): void {
    this.progress.taken[name] = this.#saved.taken[name] = offset;
  }

  /** Puts progress on disk. Only after that may the new bytes be sent. */
  save(): void {
    saveProgress(this.#path, this.progress);
    const { combined, taken } = this.progress;
    this.#saved = { taskSize: combined.taskSize, taken: { ...taken } };
  }

  /** Forgets what it took since it was saved: the disk did not take all of that. */
  rollBack(): void {
    this.progress.combined.taskSize = this.#saved.taskSize;
    Object.assign(this.progress.taken, this.#saved.taken);
    this.#file.cut();
  }

  /** Takes nothing more: what is in the sources and not here counts as dropped. */
  giveUp(): void {
    for (const name of SOURCES) this.progress.taken[name] = this.#sources[name].taskSize;
  }

  read(offset: number, length: number): Buffer {
    const written = this.size - this.#lastLine.unwrittenBytes - offset;
    if (written <= 0) return this.#lastLine.read(-written, length);
    return this.#file.read(offset, Math.min(length, written));
  }

  /** As that of a source. */
  mark(): boolean {
    const dropped = this.droppedBytes;
    if (this.progress.combined.isMarked || dropped === 0) return true;
    this.#file.cut();
    const isWritten = this.#lastLine.write(this.#path, truncationMark(dropped));
    this.progress.combined.isMarked = true;
    return isWritten;
  }

  close(): void {
    this.#file.close();
  }
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

/** Up to the last newline; all of it if it is a line too long to wait for. */
function lengthOfLines(bytes: Buffer): number {
  const newline = bytes.lastIndexOf(10);
  if (newline >= 0) return newline + 1;
  return bytes.length >= LINE_MAX ? bytes.length : 0;
}
