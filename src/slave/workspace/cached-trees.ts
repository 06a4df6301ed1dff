/** The cache's trees on disk: `<dir>/<id>/tree`, and beside each its marker. */
import { mkdtempSync, renameSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { isFsBundleId } from '../../protocol/bundle-ref.ts';
import { unpackBundle } from '../../task/bundle/unpack.ts';
import { codeOf, removeTree } from './remove-tree.ts';

/** What a whole tree is known to hold. */
export interface TreeMarker {
  id: string;
  entries: number;
  bytes: number;
}

/** Written last: a tree without its marker is not whole. */
const MARKER = 'complete.json';
/** Neither begins like an id, and what is called so is removed at the next start. */
const PARTIAL = '.partial-';
const TRASH = '.trash-';

const LOOKS_AT_ONCE = 32;

export function treeOf(dir: string, id: string): string {
  return join(dir, id, 'tree');
}

/** What an earlier process left whole, the longest unused first; the rest of it is removed. */
export async function survivingTrees(dir: string): Promise<TreeMarker[]> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const found: UsedMarker[] = [];
  for (const name of await readdir(dir)) {
    const marker = isFsBundleId(name) ? await findMarker(dir, name) : undefined;
    if (marker) found.push(marker);
    else if (isFsBundleId(name) || name.startsWith(PARTIAL) || name.startsWith(TRASH)) {
      await removeTree(join(dir, name));
    }
  }
  return found.toSorted((a, b) => a.usedAt - b.usedAt);
}

/** Whether the tree has as many entries and bytes as when it was made; reads no content. */
export async function isWhole(dir: string, { id, entries, bytes }: TreeMarker): Promise<boolean> {
  if (!(await findMarker(dir, id))) return false;
  try {
    const found = await count(treeOf(dir, id));
    return found.entries === entries && found.bytes === bytes;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Notes on disk when a tree was used; answers whether its marker is there. */
export async function touch(dir: string, id: string, wallMs: number): Promise<boolean> {
  try {
    await utimes(join(dir, id, MARKER), wallMs / 1000, wallMs / 1000);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Unpacks and checks out of sight, then makes the tree visible, whole and at once. */
export async function growTree(
  dir: string,
  id: string,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<TreeMarker> {
  const partial = await mkdtemp(join(dir, PARTIAL));
  try {
    const counted = await unpackBundle(source, id, join(partial, 'tree'), { signal });
    const marker = { id, ...counted };
    await writeFile(join(partial, MARKER), JSON.stringify(marker), { flag: 'wx' });
    signal.throwIfAborted();
    if (!moved(partial, join(dir, id))) await removeTree(partial);
    return marker;
  } catch (error) {
    await removeTree(partial);
    throw error;
  }
}

/** False if another was faster: by its name, what it made is the same. */
function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Out of the way before it returns, so that whoever asks next fetches anew; off the disk in time. */
export async function discardTree(dir: string, id: string): Promise<void> {
  const trash = mkdtempSync(join(dir, TRASH));
  try {
    renameSync(join(dir, id), trash);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await removeTree(trash);
}

type UsedMarker = TreeMarker & { usedAt: number };

async function findMarker(dir: string, id: string): Promise<UsedMarker | undefined> {
  const path = join(dir, id, MARKER);
  try {
    const marker = asMarker(JSON.parse(await readFile(path, 'utf8')));
    if (marker?.id !== id) return undefined;
    return { ...marker, usedAt: (await stat(path)).mtimeMs };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

function asMarker(value: unknown): TreeMarker | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, entries, bytes } = value as Partial<Record<string, unknown>>;
  if (typeof id !== 'string' || typeof entries !== 'number' || typeof bytes !== 'number') {
    return undefined;
  }
  return { id, entries, bytes };
}

async function count(dir: string): Promise<{ entries: number; bytes: number }> {
  const found = await entriesBelow(dir);
  const files = found.filter((entry) => entry.isFile());
  let bytes = 0;
  for (let at = 0; at < files.length; at += LOOKS_AT_ONCE) {
    const some = files.slice(at, at + LOOKS_AT_ONCE);
    const stats = await Promise.all(some.map((file) => lstat(join(file.parentPath, file.name))));
    for (const { size } of stats) bytes += size;
  }
  return { entries: found.length, bytes };
}

/** No link is followed, which `recursive` does in Node 26, round and round. */
async function entriesBelow(dir: string): Promise<Dirent[]> {
  const found: Dirent[] = [];
  const directories = [dir];
  for (let path = directories.pop(); path !== undefined; path = directories.pop()) {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      found.push(entry);
      if (entry.isDirectory()) directories.push(join(path, entry.name));
    }
  }
  return found;
}
