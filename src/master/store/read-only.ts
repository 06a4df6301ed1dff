/**
 * A state directory that no master has open, read as it lies there: from a copy outside it, whose
 * tables are links to the real ones. Not a byte of it is touched, not even its lock.
 */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { YardError, isYardError } from '../../base/errors.ts';
import { digestAt } from './blob-bytes.ts';
import { pathsOf as blobPathsOf } from './blob-paths.ts';
import { findStat } from './blob-reading.ts';
import { OWN_END } from './chain.ts';
import { inspectState, pathsOf } from './directory.ts';
import type { StatePaths } from './directory.ts';
import { storeError } from './failures.ts';
import { refuseIfHeld } from './lock.ts';
import type { LockOptions } from './lock.ts';
import { openRecord } from './record.ts';
import { backUp } from './reading.ts';
import type { Entry, Key, Range, Rev, StateStore } from './port.ts';
import { checkRecords, checkTables, copyDatabase } from './trial.ts';
import type { Database, OnFault } from './trial.ts';

export interface ReadOnlyState {
  /** The last commit. */
  readonly rev: Rev;
  /** Records of the callers that hold their checksum. */
  readonly entries: number;
  /** Leaves out records that fail their checksum: those were told when it was opened. */
  scan: (range: Range) => AsyncGenerator<Entry>;
  getMany: (keys: readonly Key[]) => Promise<(Entry | undefined)[]>;
  blobs: BlobReader;
  /** Streams all of it in the format of `backup.ts`; throws where a record is damaged. */
  backup: StateStore['backup'];
  /** Throws `store.locked` if a master took the directory meanwhile: what was read may be mixed. */
  close: () => Promise<void>;
}

export interface BlobReader {
  stat: (key: Key) => Promise<{ bytes: number; sealed: boolean } | undefined>;
  /** Hex digest of all that the sealed blob holds. */
  digest: (key: Key, bytes: number) => Promise<string>;
}

export interface ReadOnlyOptions extends LockOptions {
  /** Where the copy is made and removed again. */
  scratch: string;
  /** Hears of every record, link or table that is damaged. */
  onFault: OnFault;
}

const SCAN_ENTRIES = 1000;
const SCAN_BYTES = 2 ** 20;

/** undefined: so damaged that nothing can be read; `onFault` has heard why. */
export async function openReadOnly(
  directory: string,
  options: ReadOnlyOptions,
): Promise<ReadOnlyState | undefined> {
  const paths = pathsOf(resolve(directory));
  try {
    const kind = await inspectState(paths);
    if (kind !== 'ready') throw absent(paths, kind);
    await refuseIfHeld(paths.lock, options);
    const copy = await mkdtemp(join(options.scratch, 'runyard-read-only-'));
    const remove = () => rm(copy, { recursive: true, force: true });
    try {
      const opened = await openCopy({ ...paths, trial: join(copy, 'db') }, options);
      if (!opened) await remove();
      return opened && makeState(paths, options, opened, remove);
    } catch (error) {
      await remove();
      throw error;
    }
  } catch (error) {
    throw storeError(error, paths.root, 'store.unavailable');
  }
}

function absent({ root }: StatePaths, kind: string): YardError {
  const what = kind === 'creating' ? 'was never complete' : `is ${kind}`;
  return new YardError('store.absent', `${root} ${what}`, { hint: 'name a state directory' });
}

interface Opened {
  db: Database;
  rev: Rev;
  entries: number;
}

async function openCopy(
  paths: StatePaths,
  { onFault }: ReadOnlyOptions,
): Promise<Opened | undefined> {
  let isWhole = true;
  let db: Database | undefined;
  try {
    await mkdir(paths.trial, { mode: 0o700 });
    await copyDatabase(paths.db, paths.trial, (source, target) => symlink(source, target));
    await checkTables(paths, (fault) => {
      isWhole = false;
      onFault(fault);
    });
    if (!isWhole) return undefined;
    // Not before: it opens itself.
    db = new ClassicLevel(paths.trial, { valueEncoding: 'buffer' });
    await db.open({ createIfMissing: false });
    const { last, entries } = await checkRecords(
      db,
      { witness: paths.witness, whole: true },
      onFault,
    );
    return { db, rev: last.lastRev, entries };
  } catch (thrown) {
    await db?.close();
    const error = storeError(thrown, paths.db, 'store.corrupt');
    if (!isYardError(error) || error.code !== 'store.corrupt') throw error;
    onFault(error);
    return undefined;
  }
}

function makeState(
  paths: StatePaths,
  options: LockOptions,
  { db, rev, entries }: Opened,
  remove: () => Promise<void>,
): ReadOnlyState {
  const blobRoot = join(paths.root, 'blobs');
  return {
    rev,
    entries,
    async *scan(range) {
      const gte = range.gte !== undefined && range.gte > OWN_END ? range.gte : OWN_END;
      const iterator = db.iterator({
        ...range,
        gte,
        fillCache: false,
        highWaterMarkBytes: SCAN_BYTES,
      });
      try {
        for (;;) {
          const records = await iterator.nextv(SCAN_ENTRIES);
          if (records.length === 0) return;
          for (const [key, record] of records) {
            const entry = ifWhole(key, record);
            if (entry) yield entry;
          }
        }
      } finally {
        await iterator.close();
      }
    },
    async getMany(keys) {
      const records = await db.getMany([...keys]);
      return records.map((record, i) => record && ifWhole(keys[i]!, record));
    },
    blobs: {
      stat: (key) => findStat(blobPathsOf(blobRoot, key)),
      digest: (key, bytes) => digestAt(blobPathsOf(blobRoot, key).sealed, bytes),
    },
    backup: (sink) => backUp(db, sink),
    async close() {
      await db.close();
      await remove();
      await refuseIfHeld(paths.lock, options);
    },
  };
}

function ifWhole(key: Key, record: Buffer): Entry | undefined {
  try {
    return openRecord(key, record);
  } catch (error) {
    if (!isYardError(error)) throw error;
    return undefined;
  }
}
