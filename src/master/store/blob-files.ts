import type { FileHandle } from 'node:fs/promises';

export interface OpenFile {
  readonly handle: FileHandle;
  size: number;
}

/** Descriptors of the blobs written last, so that an idle blob holds none and a busy one keeps its. */
export interface OpenFiles {
  /**
   * Works on a file, which `open` opens if it is not open yet. Calls for one path must not
   * overlap. A file on which work failed is closed: its size is then read from disk again.
   */
  use: <T>(
    path: string,
    open: () => Promise<OpenFile>,
    work: (file: OpenFile) => Promise<T>,
  ) => Promise<T>;
  /** Closes those files that nobody is working on and whose path matches. */
  release: (matches: (path: string) => boolean) => Promise<void>;
}

/** Never holds more than `filesMax` descriptors; who finds all of them at work waits for one. */
export function makeOpenFiles(filesMax: number): OpenFiles {
  /** Least recently used first. */
  const idle = new Map<string, OpenFile>();
  const waiting: (() => void)[] = [];
  let places = 0;

  /** Resolves with a place, which `vacate` gives back. */
  async function claim(): Promise<void> {
    if (places < filesMax) {
      places++;
      return;
    }
    const [oldest] = idle;
    if (oldest === undefined) {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return;
    }
    idle.delete(oldest[0]);
    await oldest[1].handle.close();
  }

  function vacate(): void {
    const next = waiting.shift();
    if (next === undefined) places--;
    else next();
  }

  async function close(file: OpenFile): Promise<void> {
    await file.handle.close().finally(vacate);
  }

  async function obtain(path: string, open: () => Promise<OpenFile>): Promise<OpenFile> {
    const held = idle.get(path);
    idle.delete(path);
    if (held !== undefined) return held;
    await claim();
    try {
      return await open();
    } catch (error) {
      vacate();
      throw error;
    }
  }

  async function use<T>(
    path: string,
    open: () => Promise<OpenFile>,
    work: (file: OpenFile) => Promise<T>,
  ): Promise<T> {
    const file = await obtain(path, open);
    let isSound = false;
    try {
      const result = await work(file);
      isSound = true;
      return result;
    } finally {
      if (isSound && waiting.length === 0) idle.set(path, file);
      else await close(file);
    }
  }

  async function release(matches: (path: string) => boolean): Promise<void> {
    const released = [...idle].filter(([path]) => matches(path));
    for (const [path] of released) idle.delete(path);
    await Promise.all(released.map(([, file]) => close(file)));
  }

  return { use, release };
}
