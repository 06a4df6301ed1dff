/** Finds and reads the formula that someone names by its file or its directory. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { YardError, quote } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { FORMULA_BYTES_MAX, FORMULA_FILES } from './formula.ts';

export interface TaskFile {
  /** As it was named; for a directory, with the file's name added. */
  file: string;
  taskdir: string;
  text: string;
}

export async function readTaskFile(named: string, cwd: string): Promise<TaskFile> {
  const file = (await isDirectory(resolve(cwd, named))) ? await fileIn(named, cwd) : named;
  const path = resolve(cwd, file);
  const size = await sizeOf(path);
  if (size === undefined) {
    throw new YardError('formula.not_found', `there is no file ${quote(file)}`, {
      hint: 'name a formula or the directory that holds task.yml',
    });
  }
  if (size > FORMULA_BYTES_MAX) {
    const limit = formatBytes(FORMULA_BYTES_MAX);
    throw new YardError('formula.too_large', `${file}: ${formatBytes(size)}, at most ${limit}`);
  }
  const text = await attempt(file, () => readFile(path, 'utf8'));
  return { file, taskdir: dirname(path), text };
}

async function fileIn(directory: string, cwd: string): Promise<string> {
  for (const name of FORMULA_FILES) {
    const file = join(directory, name);
    if ((await sizeOf(resolve(cwd, file))) !== undefined) return file;
  }
  throw new YardError('formula.not_found', `no formula in ${quote(directory)}`, {
    hint: `it has to hold ${FORMULA_FILES.join(' or ')}`,
  });
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await findStat(path);
  return found?.isDirectory() ?? false;
}

async function sizeOf(path: string): Promise<number | undefined> {
  const found = await findStat(path);
  return found?.isFile() ? found.size : undefined;
}

async function findStat(path: string) {
  return attempt(path, async () => {
    try {
      return await stat(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  });
}

async function attempt<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new YardError('formula.unreadable', `${quote(path)} cannot be read: ${code}`, {
      cause: error,
    });
  }
}
