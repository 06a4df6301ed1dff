import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { YardError, quote } from '../../base/errors.ts';
import { digestAt, findSize, writeAll } from './blob-bytes.ts';
import type { Directories } from './blob-directories.ts';
import type { BlobPaths } from './blob-paths.ts';
import type { BlobManifest, Key } from './port.ts';

export interface PutLimits {
  sha256?: string;
  bytesMax: number;
}

/** Bytes that are on disk under a name of nobody's. */
export interface Received {
  path: string;
  manifest: BlobManifest;
}

/** Blobs that come whole. */
export interface Putting {
  /** Leaves nothing behind when it fails; calls may overlap. */
  receive: (
    key: Key,
    body: AsyncIterable<Uint8Array>,
    limits: PutLimits,
    assertOpen: () => void,
  ) => Promise<Received>;
  /** Gives the bytes their name. Calls for one key must come one after the other. */
  place: (key: Key, paths: BlobPaths, received: Received) => Promise<void>;
  discard: (received: Received) => Promise<void>;
}

/** `directory` holds what is on its way, and nothing else: it is emptied here. */
export async function makePutting(directory: string, directories: Directories): Promise<Putting> {
  let count = 0;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  // A body that an earlier store of this process still waits for must not meet our names.
  const ours = await mkdtemp(join(directory, 'store-'));

  async function receive(
    key: Key,
    body: AsyncIterable<Uint8Array>,
    limits: PutLimits,
    assertOpen: () => void,
  ): Promise<Received> {
    const path = join(ours, String(count++));
    const handle = await open(path, 'wx', 0o600);
    let isWhole = false;
    try {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of body) {
        assertOpen();
        if (bytes + chunk.length > limits.bytesMax) throw tooLarge(key, limits.bytesMax);
        hash.update(chunk);
        await writeAll(handle, chunk, bytes);
        bytes += chunk.length;
      }
      const sha256 = hash.digest('hex');
      if (sha256 !== (limits.sha256 ?? sha256)) throw wrongDigest(key, sha256, limits.sha256);
      await handle.chmod(0o444);
      // Without bytes there is nothing to sync but the name, later.
      if (bytes > 0) await handle.sync();
      isWhole = true;
      return { path, manifest: { bytes, sha256 } };
    } finally {
      await handle.close();
      if (!isWhole) await rm(path, { force: true });
    }
  }

  async function place(key: Key, paths: BlobPaths, { path, manifest }: Received): Promise<void> {
    const held = await findSize(paths.sealed);
    if (held === undefined) {
      if ((await findSize(paths.part)) !== undefined) throw exists(key, 'is still being written');
      await directories.within(paths.directory, () => rename(path, paths.sealed));
    } else if (
      held !== manifest.bytes ||
      (await digestAt(paths.sealed, held)) !== manifest.sha256
    ) {
      throw exists(key, 'holds other bytes');
    }
    await directories.sync(paths.directory);
  }

  return { receive, place, discard: ({ path }) => rm(path, { force: true }) };
}

function tooLarge(key: Key, bytesMax: number): YardError {
  const what = `${quote(key)} is larger than ${bytesMax} bytes`;
  return new YardError('input.too_large', what, { hint: 'send less or have the limit raised' });
}

function wrongDigest(key: Key, got: string, expected: unknown): YardError {
  const what = `${quote(key)} has sha256 ${got}, announced was ${quote(expected)}`;
  return new YardError('blob.digest', what, { hint: 'send it again' });
}

function exists(key: Key, why: string): YardError {
  return new YardError('blob.exists', `${quote(key)} ${why}`, { hint: 'use another name' });
}
