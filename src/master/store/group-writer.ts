import { ANCHOR_KEY, decodeLink, encodeLink, linkKey, nextLink } from './chain.ts';
import type { Link } from './chain.ts';
import { storeError } from './failures.ts';
import type { Group } from './group.ts';
import { checksum, makeRecordWriter, openRecord } from './record.ts';
import type { Standing } from './check.ts';
import type { Database } from './trial.ts';
import type { Witness } from './witness.ts';

/** Links are pruned so many at a time. */
const PRUNED_LINKS = 1024;

export interface GroupWriterPorts {
  db: Database;
  witness: Witness;
  /** How many links of the chain are kept at least. */
  linksKept: number;
}

/** Writes groups into LevelDB: one synced batch each, its link of the chain in it. */
export function makeGroupWriter(
  { db, witness, linksKept }: GroupWriterPorts,
  from: Standing,
): (group: Group) => Promise<void> {
  const toRecord = makeRecordWriter();
  let { last, anchorGroup } = from;
  let checksums = Buffer.allocUnsafe(4096);

  async function write(group: Group): Promise<void> {
    const pruned = await findPruned(last.group + 1);
    const batch = db.batch();
    const { keys, values, revs } = group;
    if (checksums.length < 4 * keys.length) checksums = Buffer.allocUnsafe(8 * keys.length);
    for (let i = 0; i < keys.length; i++) {
      const [key, value, rev] = [keys[i]!, values[i], revs[i]!];
      const crc = checksum(key, rev, value);
      checksums.writeUInt32LE(crc, 4 * i);
      if (value === undefined) batch.del(key);
      else batch.put(key, toRecord(rev, crc, value));
    }
    const link = nextLink(last, group.lastRev, checksums.subarray(0, 4 * keys.length));
    putLink(linkKey(link.group), link);
    if (pruned) {
      for (let old = anchorGroup + 1; old <= pruned.group; old++) batch.del(linkKey(old));
      putLink(ANCHOR_KEY, pruned);
    }
    await batch.write({ sync: true });
    witness.write(group.lastRev);
    last = link;
    if (pruned) anchorGroup = pruned.group;

    function putLink(key: string, value: Link): void {
      const bytes = encodeLink(value);
      const crc = checksum(key, group.lastRev, bytes);
      batch.put(key, toRecord(group.lastRev, crc, bytes));
    }
  }

  /** The last link that `group` makes superfluous, if it is time to prune. */
  async function findPruned(group: number): Promise<Link | undefined> {
    const old = group - linksKept;
    if (old - anchorGroup < PRUNED_LINKS) return undefined;
    const key = linkKey(old);
    const record = await db.get(key);
    if (!record) throw new Error(`assertion failed: link ${old} is kept`);
    return decodeLink(openRecord(key, record).value);
  }

  return async (group) => {
    try {
      await write(group);
    } catch (error) {
      throw storeError(error, db.location, 'store.unavailable');
    }
  };
}
