import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach } from 'vitest';
import { makeBlobs } from './blobs.ts';
import type { BlobManifest, BlobStore } from './port.ts';

export const KEY = 'o/r1/1/stdout';
export const never = new AbortController().signal;

const made: string[] = [];
const opened: BlobStore[] = [];

afterEach(async () => {
  for (const blobs of opened.splice(0)) await blobs.close();
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});

export async function setUp() {
  const directory = await mkdtemp(join(tmpdir(), 'runyard-blobs-'));
  made.push(directory);
  return { directory, blobs: await open(directory) };
}

export async function open(directory: string): Promise<BlobStore> {
  const blobs = await makeBlobs({ directory });
  opened.push(blobs);
  return blobs;
}

export const bytes = (content: string) => Buffer.from(content);

export async function read(blobs: BlobStore, key: string, range?: { from: number; to?: number }) {
  return buffer(await blobs.get(key, range));
}

export async function text(blobs: BlobStore, key: string, range?: { from: number; to?: number }) {
  return (await read(blobs, key, range)).toString();
}

export function manifestOf(content: string | Buffer): BlobManifest {
  const whole = Buffer.from(content);
  return { bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') };
}

export async function* pieces(...contents: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const content of contents) yield Buffer.from(content);
}

/** Regular files, temporary ones too, by path below the directory. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted();
}

export async function descriptorsBelow(directory: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    names.map((name) => readlink(join('/proc/self/fd', name)).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(directory)).length;
}
