import { copyFile, link, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { YardError, quote } from '../../base/errors.ts';
import {
  ANCHOR_KEY,
  CHAIN_START,
  LINK_PREFIX,
  OWN_END,
  checkSuccessor,
  decodeLink,
  gapError,
  linkKey,
} from './chain.ts';
import type { Link } from './chain.ts';
import { ifThere } from './directory.ts';
import type { StatePaths } from './directory.ts';
import { DAMAGE_HINT, storeError } from './failures.ts';
import { LEASE_PREFIX, decodeLease } from './group.ts';
import { openRecord } from './record.ts';
import type { Entry, Rev } from './port.ts';
import { findTableFault } from './sstable.ts';
import { readWitness } from './witness.ts';

export type Database = ClassicLevel<string, Buffer>;

/** What a store goes on from. */
export interface Standing {
  last: Link;
  /** The group of the last link that was pruned. */
  anchorGroup: number;
  epochs: Map<string, number>;
  /** How many entries were checked; those of the callers only if the check was whole. */
  entries: number;
}

export const FRESH_STANDING: Standing = {
  last: CHAIN_START,
  anchorGroup: 0,
  epochs: new Map(),
  entries: 0,
};

/** Above this a start would take too long: only the chain is checked, the rest on demand. */
const WHOLE_BYTES_MAX = 2 ** 30;
const SCAN_ENTRIES = 1000;

/**
 * Opens a copy of the database and checks everything in it, so that nothing of a damaged one is
 * touched: opening alone makes LevelDB rewrite its log and drop what it cannot read.
 */
export async function tryOut(
  paths: StatePaths,
  options: { whole?: boolean } = {},
): Promise<Standing> {
  try {
    await rm(paths.trial, { recursive: true, force: true });
    await mkdir(paths.trial, { mode: 0o700 });
    const bytes = await copyDatabase(paths.db, paths.trial);
    return await checkCopy(paths, options.whole ?? bytes <= WHOLE_BYTES_MAX);
  } catch (error) {
    throw storeError(error, paths.db, 'store.corrupt');
  } finally {
    await rm(paths.trial, { recursive: true, force: true });
  }
}

/** Tables never change once written and are linked; returns how many bytes there are. */
async function copyDatabase(from: string, to: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(from)) {
    if (name === 'LOCK' || name === 'LOG' || name === 'LOG.old') continue;
    const [source, target] = [join(from, name), join(to, name)];
    bytes += (await stat(source)).size;
    if (isTable(name) && (await linkIfPossible(source, target))) continue;
    await copyFile(source, target);
  }
  return bytes;
}

function isTable(name: string): boolean {
  return name.endsWith('.ldb') || name.endsWith('.sst');
}

async function linkIfPossible(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EMLINK') return false;
    throw error;
  }
}

async function checkCopy(paths: StatePaths, whole: boolean): Promise<Standing> {
  const faults = whole ? await tableFaults(paths.trial) : new Map<string, string>();
  const db: Database = new ClassicLevel(paths.trial, { valueEncoding: 'buffer' });
  await db.open({ createIfMissing: false });
  try {
    // A table that a crash left half-written is in no list of LevelDB's, and is gone by now.
    const live = new Set(await readdir(paths.trial));
    for (const [name, fault] of faults) {
      if (live.has(name)) throw corrupt(`${join(paths.db, name)} ${fault}`);
    }
    const standing = await checkRecords(db, whole);
    const witnessed = readWitness(paths.witness);
    const { lastRev } = standing.last;
    if (lastRev < witnessed) throw gapError(lastRev + 1, witnessed);
    return standing;
  } finally {
    await db.close();
  }
}

async function tableFaults(directory: string): Promise<Map<string, string>> {
  const faults = new Map<string, string>();
  for (const name of (await readdir(directory)).filter(isTable)) {
    const file = await ifThere(readFile(join(directory, name)));
    const fault = file && findTableFault(file);
    if (fault !== undefined) faults.set(name, fault);
  }
  return faults;
}

/** Checks every record, the chain from its anchor on, and that no record is newer than its end. */
async function checkRecords(db: Database, whole: boolean): Promise<Standing> {
  const epochs = new Map<string, number>();
  let anchor: Link | undefined;
  let last = CHAIN_START;
  let entries = 0;
  let newest: Entry | undefined;

  function checkOwn({ key, value }: Entry): void {
    if (key === ANCHOR_KEY) {
      last = anchor = decodeLink(value);
    } else if (key.startsWith(LINK_PREFIX)) {
      const next = decodeLink(value);
      if (key !== linkKey(next.group)) throw corrupt(`link ${next.group} is in another's place`);
      checkSuccessor(last, next);
      last = next;
    } else if (key.startsWith(LEASE_PREFIX)) {
      epochs.set(key.slice(LEASE_PREFIX.length), decodeLease(value));
    } else {
      throw corrupt(`key ${quote(key)} is none of the store's own`);
    }
  }

  for await (const entry of allRecords(db, whole)) {
    if (entry.key < OWN_END) checkOwn(entry);
    else entries++;
    if (entry.rev > (newest?.rev ?? 0)) newest = entry;
  }
  if (newest && newest.rev > last.lastRev) throw newerThanChain(newest, last.lastRev);
  return { last, anchorGroup: anchor?.group ?? 0, epochs, entries };
}

async function* allRecords(db: Database, whole: boolean): AsyncGenerator<Entry> {
  const range = whole ? {} : { lt: OWN_END };
  const iterator = db.iterator({ ...range, fillCache: false, highWaterMarkBytes: 2 ** 20 });
  try {
    for (;;) {
      const records = await iterator.nextv(SCAN_ENTRIES);
      if (records.length === 0) return;
      for (const [key, record] of records) yield openRecord(key, record);
    }
  } finally {
    await iterator.close();
  }
}

function newerThanChain({ key, rev }: Entry, lastRev: Rev): YardError {
  return corrupt(`key ${quote(key)} is of commit ${rev}, the last known one is ${lastRev}`);
}

function corrupt(what: string): YardError {
  return new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
}
