import { writeBackup } from './backup.ts';
import { LINK_PREFIX, OWN_END, decodeLink } from './chain.ts';
import { SCHEMA } from './directory.ts';
import { storeError } from './failures.ts';
import { LEASE_PREFIX } from './group.ts';
import { openRecord } from './record.ts';
import type { BackupManifest, Entry, Key, Range } from './port.ts';
import type { Database } from './trial.ts';

/** Entries and bytes asked of LevelDB at once. */
const SCAN_ENTRIES = 1000;
const SCAN_BYTES = 2 ** 20;

type Snapshot = ReturnType<Database['snapshot']>;

export async function readEntries(
  db: Database,
  keys: readonly Key[],
): Promise<(Entry | undefined)[]> {
  try {
    const records = await db.getMany([...keys]);
    return records.map((record, i) => record && openRecord(keys[i]!, record));
  } catch (error) {
    throw storeError(error, db.location, 'store.unavailable');
  }
}

export async function* scanEntries(
  db: Database,
  range: Range,
  snapshot?: Snapshot,
): AsyncGenerator<Entry> {
  const size = Math.min(SCAN_ENTRIES, range.limit ?? SCAN_ENTRIES);
  if (size <= 0) return;
  try {
    const iterator = db.iterator({ ...range, snapshot, highWaterMarkBytes: SCAN_BYTES });
    try {
      for (;;) {
        const records = await iterator.nextv(size);
        if (records.length === 0) return;
        for (const [key, record] of records) yield openRecord(key, record);
      }
    } finally {
      await iterator.close();
    }
  } catch (error) {
    throw storeError(error, db.location, 'store.unavailable');
  }
}

export async function backUp(
  db: Database,
  sink: (chunk: Uint8Array) => Promise<void>,
): Promise<BackupManifest> {
  const snapshot = db.snapshot();
  try {
    const rev = await lastRevIn(db, snapshot);
    return await writeBackup({ schema: SCHEMA, rev }, entries(), sink);
  } finally {
    await snapshot.close();
  }

  async function* entries(): AsyncGenerator<Entry> {
    yield* scanEntries(db, { gte: LEASE_PREFIX, lt: OWN_END }, snapshot);
    yield* scanEntries(db, { gte: OWN_END }, snapshot);
  }
}

/** A link is in the batch of its group, so the last one tells the number of the snapshot. */
async function lastRevIn(db: Database, snapshot: Snapshot): Promise<number> {
  const range = { gte: LINK_PREFIX, lt: LEASE_PREFIX, reverse: true, limit: 1 };
  for await (const { value } of scanEntries(db, range, snapshot)) return decodeLink(value).lastRev;
  return 0;
}
