import { copyFile, link, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { YardError } from '../../base/errors.ts';
import { OWN_END, gapError } from './chain.ts';
import { makeRecordCheck } from './check.ts';
import type { Standing } from './check.ts';
import type { StatePaths } from './directory.ts';
import { DAMAGE_HINT, storeError } from './failures.ts';
import { readManifest } from './manifest.ts';
import { openRecord } from './record.ts';
import type { Entry } from './port.ts';
import { findTableFault } from './sstable.ts';
import { readWitness } from './witness.ts';

export type Database = ClassicLevel<string, Buffer>;

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

/**
 * Copies the files that LevelDB will read, and no others; returns how many bytes there are. Tables
 * never change once written and are linked. One that is not in the manifest must not be: LevelDB
 * may give its number out again, and would then write through the link.
 */
async function copyDatabase(from: string, to: string): Promise<number> {
  const { name: manifest, tables } = await readManifest(from);
  const names = await readdir(from);
  let bytes = 0;
  for (const [number, size] of tables) {
    const stem = String(number).padStart(6, '0');
    const name = names.find((each) => each === `${stem}.ldb` || each === `${stem}.sst`);
    if (name === undefined) throw corrupt(`${join(from, stem)}.ldb is missing`);
    const source = join(from, name);
    const found = (await stat(source)).size;
    if (found !== size) throw corrupt(`${source} has ${found} bytes of ${size}`);
    await linkOrCopy(source, join(to, name));
    bytes += size;
  }
  for (const name of names) {
    if (name !== 'CURRENT' && name !== manifest && !name.endsWith('.log')) continue;
    await copyFile(join(from, name), join(to, name));
    bytes += (await stat(join(to, name))).size;
  }
  return bytes;
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error;
    await copyFile(source, target);
  }
}

async function checkCopy(paths: StatePaths, whole: boolean): Promise<Standing> {
  if (whole) await checkTables(paths);
  const db: Database = new ClassicLevel(paths.trial, { valueEncoding: 'buffer' });
  await db.open({ createIfMissing: false });
  try {
    const standing = await checkRecords(db, whole);
    const witnessed = readWitness(paths.witness);
    const { lastRev } = standing.last;
    if (lastRev < witnessed) throw gapError(lastRev + 1, witnessed);
    return standing;
  } finally {
    await db.close();
  }
}

async function checkTables({ trial, db }: StatePaths): Promise<void> {
  for (const name of await readdir(trial)) {
    if (!/\.(ldb|sst)$/.test(name)) continue;
    const fault = findTableFault(await readFile(join(trial, name)));
    if (fault !== undefined) throw corrupt(`${join(db, name)} ${fault}`);
  }
}

/** Checks every record, the chain from its anchor on, and that no record is newer than its end. */
async function checkRecords(db: Database, whole: boolean): Promise<Standing> {
  const check = makeRecordCheck();
  for await (const entry of allRecords(db, whole)) check.take(entry);
  return check.end();
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

function corrupt(what: string): YardError {
  return new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
}
