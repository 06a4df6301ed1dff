import { constants } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { EMPTY_SHA256 } from '../../base/sha256.ts';
import { YardError, quote } from '../../base/errors.ts';
import { digestAt, digestOf, findSize, writeAll } from './blob-bytes.ts';
import type { Directories } from './blob-directories.ts';
import { isErrno } from './blob-errors.ts';
import type { OpenFile, OpenFiles } from './blob-files.ts';
import type { BlobPaths } from './blob-paths.ts';
import type { BlobManifest, Key } from './port.ts';

/** Blobs that grow until they are sealed. Calls for one key must come one after the other. */
export interface Growing {
  append: (
    key: Key,
    paths: BlobPaths,
    offset: number,
    bytes: Uint8Array,
  ) => Promise<{ size: number; from: number }>;
  seal: (key: Key, paths: BlobPaths, manifest: BlobManifest) => Promise<void>;
}

export function makeGrowing(files: OpenFiles, directories: Directories): Growing {
  async function openPart(key: Key, paths: BlobPaths, offset: number): Promise<OpenFile> {
    if ((await findSize(paths.sealed)) !== undefined) {
      const hint = 'nothing can be added to it';
      throw new YardError('output.closed', `${quote(key)} is sealed`, { hint });
    }
    // Bytes that do not begin at the start must not leave an empty blob behind.
    const flags = offset === 0 ? constants.O_RDWR | constants.O_CREAT : constants.O_RDWR;
    const make = () => open(paths.part, flags, 0o600);
    try {
      const handle = await (offset === 0 ? directories.within(paths.directory, make) : make());
      return { handle, size: (await handle.stat()).size };
    } catch (error) {
      if (offset > 0 && isErrno(error, 'ENOENT')) throw wrongOffset(key, 0, offset);
      throw error;
    }
  }

  async function append(key: Key, paths: BlobPaths, offset: number, bytes: Uint8Array) {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new YardError('output.offset', `${quote(offset)} is no offset of ${quote(key)}`, {
        hint: 'use a whole number from 0 on',
      });
    }
    const openIt = () => openPart(key, paths, offset);
    return files.use(paths.part, openIt, async (file) => {
      if (offset > file.size) throw wrongOffset(key, file.size, offset);
      const from = file.size;
      const held = Math.min(from - offset, bytes.length);
      const count = (written: number) => void (file.size += written);
      await writeAll(file.handle, bytes.subarray(held), from, count);
      return { size: file.size, from };
    });
  }

  async function seal(key: Key, paths: BlobPaths, manifest: BlobManifest): Promise<void> {
    const sealedSize = await findSize(paths.sealed);
    if (sealedSize !== undefined) {
      await check(key, manifest, sealedSize, () => digestAt(paths.sealed, sealedSize));
    } else if ((await findSize(paths.part)) !== undefined) {
      const openIt = () => openPart(key, paths, 0);
      await files.use(paths.part, openIt, (file) => sealFile(key, paths, manifest, file));
      await files.release((path) => path === paths.part);
    } else {
      await check(key, manifest, 0, async () => EMPTY_SHA256);
      // Without bytes there is nothing to sync but the name.
      const make = () => open(paths.sealed, 'wx', 0o444);
      await (await directories.within(paths.directory, make)).close();
    }
    // Also when it was sealed before: the call that did it may have ended before its sync.
    await directories.sync(paths.directory);
  }

  return { append, seal };
}

async function sealFile(
  key: Key,
  paths: BlobPaths,
  manifest: BlobManifest,
  file: OpenFile,
): Promise<void> {
  await check(key, manifest, file.size, () => digestOf(file.handle, file.size));
  await file.handle.sync();
  await rename(paths.part, paths.sealed);
  // Not before the rename: an open blob that is read-only could not be taken up after a crash.
  await file.handle.chmod(0o444);
}

async function check(
  key: Key,
  manifest: BlobManifest,
  size: number,
  digest: () => Promise<string>,
): Promise<void> {
  if (size !== manifest.bytes) {
    const what = `${quote(key)} holds ${size} bytes, its manifest says ${manifest.bytes}`;
    throw new YardError('output.digest', what, { hint: 'send what is missing and seal it again' });
  }
  const sha256 = await digest();
  if (sha256 === manifest.sha256) return;
  const what = `${quote(key)} has sha256 ${sha256}, its manifest says ${quote(manifest.sha256)}`;
  throw new YardError('output.digest', what, { hint: 'remove it and send it again' });
}

function wrongOffset(key: Key, expected: number, got: number): YardError {
  return new YardError('output.offset', `expected ${expected}, got ${got}`, {
    hint: `send ${quote(key)} on from byte ${expected}`,
  });
}
