import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from './blob-errors.ts';

/** The directories of the blobs: made when first needed, and synced so that names in them last. */
export interface Directories {
  /** Does the work; if its directory is not there, makes that and does the work again. */
  within: <T>(directory: string, work: () => Promise<T>) => Promise<T>;
  /** Resolves when every name in that directory, and its own up to the root, is on disk. */
  sync: (directory: string) => Promise<void>;
  /** Must be called for those that were removed: made anew, they are not on disk yet. */
  forget: (matches: (directory: string) => boolean) => void;
}

/** What is known to be on disk is dropped at this size: that costs a few syncs, never safety. */
const KNOWN_MAX = 10_000;

export function makeDirectories(root: string): Directories {
  const syncOne = makeSync();
  /** Directories whose own names, up to the root, are on disk. */
  const known = new Set<string>();

  return {
    async within(directory, work) {
      try {
        return await work();
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return work();
    },
    async sync(directory) {
      await syncOne(directory);
      const synced: string[] = [];
      for (let at = directory; at !== root && !known.has(at); at = dirname(at)) {
        await syncOne(dirname(at));
        synced.push(at);
      }
      if (known.size + synced.length > KNOWN_MAX) known.clear();
      for (const at of synced) known.add(at);
    },
    forget(matches) {
      for (const directory of known) if (matches(directory)) known.delete(directory);
    },
  };
}

interface Syncing {
  current: Promise<void>;
  next: Promise<void> | undefined;
}

/** Calls that come while a sync of the same directory is under way share the one after it. */
function makeSync(): (directory: string) => Promise<void> {
  const active = new Map<string, Syncing>();

  function start(directory: string): Promise<void> {
    const syncing: Syncing = { current: syncOnce(directory), next: undefined };
    active.set(directory, syncing);
    const end = () => {
      if (syncing.next === undefined) active.delete(directory);
    };
    syncing.current.then(end, end);
    return syncing.current;
  }

  return (directory) => {
    const syncing = active.get(directory);
    if (syncing === undefined) return start(directory);
    const again = () => start(directory);
    return (syncing.next ??= syncing.current.then(again, again));
  };
}

async function syncOnce(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
