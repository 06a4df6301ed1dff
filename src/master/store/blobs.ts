import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { YardError } from '../../base/errors.ts';
import { makeDirectories } from './blob-directories.ts';
import { blobError, isErrno } from './blob-errors.ts';
import { makeOpenFiles } from './blob-files.ts';
import { makeGrowing } from './blob-growing.ts';
import { type Lanes, isWithin, makeLanes } from './blob-lanes.ts';
import { type BlobPaths, pathsOf } from './blob-paths.ts';
import { makePutting } from './blob-putting.ts';
import { findStat, read } from './blob-reading.ts';
import { makeWaiters } from './blob-waiters.ts';
import type { BlobStore, Key } from './port.ts';

const OPEN_FILES_MAX = 256;

/**
 * Blobs as files below `directory`, which one process owns: `<key>.part` while open, `<key>` once
 * sealed. An open blob goes on, after a crash, at the size that its file has.
 */
export async function makeBlobs({ directory }: { directory: string }): Promise<BlobStore> {
  const root = resolve(directory);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const lanes = makeLanes();
  const waiters = makeWaiters();
  const files = makeOpenFiles(OPEN_FILES_MAX);
  const directories = makeDirectories(root);
  const growing = makeGrowing(files, directories);
  // No key has a `~`, so none can name it.
  const putting = await makePutting(join(root, '~put'), directories);
  const { assertOpen, guarded, onKey, shut } = makeGate(root, lanes);

  const put: BlobStore['put'] = (key, body, limits) =>
    guarded(key, async () => {
      pathsOf(root, key);
      const received = await putting.receive(key, body, limits, assertOpen);
      try {
        await onKey(key, (paths) => putting.place(key, paths, received));
      } finally {
        await putting.discard(received);
      }
      waiters.wake(key);
      return received.manifest;
    });

  return {
    put,
    putSmall: (key, bytes) => put(key, only(bytes), { bytesMax: bytes.length }),
    append: (key, offset, bytes) =>
      onKey(key, async (paths) => {
        const appended = await growing.append(key, paths, offset, bytes);
        if (appended.from < appended.size) waiters.wake(key);
        return appended;
      }),
    seal: (key, manifest) =>
      onKey(key, async (paths) => {
        await growing.seal(key, paths, manifest);
        waiters.wake(key);
      }),
    stat: (key) => guarded(key, () => findStat(pathsOf(root, key))),
    get: (key, range = { from: 0 }) => guarded(key, () => read(key, pathsOf(root, key), range)),
    grown: (key, signal) =>
      guarded(key, () => {
        pathsOf(root, key);
        return waiters.wait(key, signal);
      }),
    remove: (key) =>
      guarded(key, async () => {
        const { part, sealed } = pathsOf(root, key);
        const isGone = (path: string) => path === part || isWithin(path, sealed);
        await lanes.onTree(key, async () => {
          await files.release(isGone);
          directories.forget(isGone);
          for (const path of [part, sealed]) await removeAll(path);
        });
        // Those who follow it learn from their next read that it is gone.
        waiters.wakeIf((other) => isWithin(other, key));
      }),
    async close() {
      shut();
      await lanes.idle();
      await files.release(() => true);
      waiters.wakeIf(() => true);
    },
  };
}

/** The way in: keys become paths, what the disk refuses becomes an error with a code. */
function makeGate(root: string, lanes: Lanes) {
  let isShut = false;

  function assertOpen(): void {
    if (isShut) throw new YardError('store.closed', 'the blobs are closed');
  }

  async function guarded<T>(key: Key, work: () => Promise<T>): Promise<T> {
    try {
      assertOpen();
      return await work();
    } catch (error) {
      throw blobError(error, key);
    }
  }

  function onKey<T>(key: Key, work: (paths: BlobPaths) => Promise<T>): Promise<T> {
    return guarded(key, () => {
      const paths = pathsOf(root, key);
      return lanes.onKey(key, () => work(paths));
    });
  }

  return { assertOpen, guarded, onKey, shut: () => void (isShut = true) };
}

async function* only(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function removeAll(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    // A blob where a directory would be: there is nothing below it.
    if (!isErrno(error, 'ENOTDIR')) throw error;
  }
}
