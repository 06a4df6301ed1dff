/** Makes a database of the stream of a backup, in a directory that holds nothing yet. */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { YardError } from '../../base/errors.ts';
import { readBackup } from './backup.ts';
import { ANCHOR_KEY, CHAIN_START, encodeLink } from './chain.ts';
import { inspectState, makeDirectory, markCreating, markReady, pathsOf } from './directory.ts';
import { storeError } from './failures.ts';
import { LEASE_PREFIX, decodeLease, encodeLease } from './group.ts';
import { takeLock } from './lock.ts';
import type { LockOptions } from './lock.ts';
import type { BackupManifest, Entry } from './port.ts';
import { checksum, makeRecordWriter } from './record.ts';
import type { Database } from './trial.ts';
import { createWitness } from './witness.ts';

export interface RestoreOptions extends LockOptions {
  directory: string;
  /** What `store.backup` gave. */
  stream: AsyncIterable<Uint8Array>;
  /** What the stream must prove to be. */
  manifest: BackupManifest;
  /** The epoch to go on from, where that is above the one in the backup. */
  epoch?: number | undefined;
  /** Brings what belongs beside the database, once the directory is taken; removes it if all fails. */
  beside: { bring: () => Promise<void>; remove: () => Promise<void> };
}

const BATCH_ENTRIES = 1000;

/** Resolves with the epoch that the next start goes on from. */
export async function restoreStore(options: RestoreOptions): Promise<{ epoch: number }> {
  const paths = pathsOf(options.directory);
  try {
    await refuseUnlessEmpty(options.directory);
    await makeDirectory(paths.root);
    const lock = await takeLock(paths.lock, options);
    try {
      await refuseUnlessEmpty(options.directory);
      await markCreating(paths, options.clock.wall());
      await options.beside.bring();
      const epoch = await fill(paths.db, options);
      const witness = createWitness(paths.witness);
      witness.write(options.manifest.rev);
      witness.close();
      await markReady(paths, options.clock.wall());
      return { epoch };
    } catch (error) {
      // Nothing was there before, so nothing is left behind.
      await options.beside.remove();
      for (const path of [paths.db, paths.witness, paths.marker]) {
        await rm(path, { recursive: true, force: true });
      }
      throw error;
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw storeError(error, paths.root, 'store.unavailable');
  }
}

async function refuseUnlessEmpty(directory: string): Promise<void> {
  const kind = await inspectState(pathsOf(directory)).catch(() => 'ready');
  if (kind === 'absent' || kind === 'empty') return;
  throw new YardError('restore.target_not_empty', `${directory} holds something`, {
    hint: 'name a directory that is empty or not there',
  });
}

async function fill(path: string, options: RestoreOptions): Promise<number> {
  const { stream, manifest } = options;
  const db: Database = new ClassicLevel(path, { valueEncoding: 'buffer' });
  await db.open({ createIfMissing: true, errorIfExists: true });
  const toRecord = makeRecordWriter();
  let epoch = 0;
  let batch = db.batch();

  function put({ key, value, rev }: Entry): void {
    batch.put(key, toRecord(rev, checksum(key, rev, value), value));
  }

  try {
    const entries = readBackup(stream);
    for (let next = await entries.next(); ; next = await entries.next()) {
      if (next.done) {
        checkManifest(next.value, manifest);
        break;
      }
      const { key } = next.value;
      if (key.startsWith(LEASE_PREFIX)) {
        const raised = withEpoch(next.value, options.epoch);
        epoch = Math.max(epoch, decodeLease(raised.value));
        put(raised);
      } else put(next.value);
      if (batch.length < BATCH_ENTRIES) continue;
      await batch.write();
      batch = db.batch();
    }
    // The chain goes on from one link that stands for all before it.
    const hash = createHash('sha256').update(manifest.sha256).digest();
    const anchor = { ...CHAIN_START, group: 1, firstRev: 1, lastRev: manifest.rev, hash };
    put({ key: ANCHOR_KEY, value: encodeLink(anchor), rev: manifest.rev });
    await batch.write({ sync: true });
    return epoch;
  } finally {
    await db.close();
  }
}

function withEpoch(lease: Entry, epoch: number | undefined): Entry {
  if (epoch === undefined || epoch <= decodeLease(lease.value)) return lease;
  return { ...lease, value: encodeLease(epoch, 'restored') };
}

function checkManifest(found: BackupManifest, wanted: BackupManifest): void {
  const isSame =
    found.sha256 === wanted.sha256 && found.rev === wanted.rev && found.entries === wanted.entries;
  if (isSame) return;
  throw new YardError('backup.sha256', 'the store of this backup is not what its manifest says', {
    hint: 'take another backup',
  });
}
