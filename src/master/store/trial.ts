import { copyFile, link, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { YardError, isYardError } from '../../base/errors.ts';
import { OWN_END, gapError } from './chain.ts';
import { makeRecordCheck } from './check.ts';
import type { Standing } from './check.ts';
import type { StatePaths } from './directory.ts';
import { DAMAGE_HINT, storeError } from './failures.ts';
import { readManifest } from './manifest.ts';
import { openRecord } from './record.ts';
import { findTableFault } from './sstable.ts';
import { readWitness } from './witness.ts';

export type Database = ClassicLevel<string, Buffer>;

/** Above this a start would take too long: only the chain is checked, the rest on demand. */
const WHOLE_BYTES_MAX = 2 ** 30;
const SCAN_ENTRIES = 1000;

/** Hears of one fault; throwing makes it the last. */
export type OnFault = (fault: YardError) => void;

const refuse: OnFault = (fault) => {
  throw fault;
};

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
    const bytes = await copyDatabase(paths.db, paths.trial, linkOrCopy);
    return await checkCopy(paths, options.whole ?? bytes <= WHOLE_BYTES_MAX);
  } catch (error) {
    throw storeError(error, paths.db, 'store.corrupt');
  } finally {
    await rm(paths.trial, { recursive: true, force: true });
  }
}

/**
 * Copies the files that LevelDB will read, and no others; returns how many bytes there are. Tables
 * never change once written and are only placed, as links. One that is not in the manifest must not
 * be: LevelDB may give its number out again, and would then write through the link.
 */
export async function copyDatabase(
  from: string,
  to: string,
  place: (source: string, target: string) => Promise<void>,
): Promise<number> {
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
    await place(source, join(to, name));
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
    return await checkRecords(db, { witness: paths.witness, whole });
  } finally {
    await db.close();
  }
}

/** Checks every block of the tables in `trial`; a fault names the file in `db` that it stands for. */
export async function checkTables(
  { trial, db }: Pick<StatePaths, 'trial' | 'db'>,
  onFault: OnFault = refuse,
): Promise<void> {
  for (const name of await readdir(trial)) {
    if (!/\.(ldb|sst)$/.test(name)) continue;
    const fault = findTableFault(await readFile(join(trial, name)));
    if (fault !== undefined) onFault(corrupt(`${join(db, name)} ${fault}`));
  }
}

/**
 * Checks every record, the chain from its anchor on, that no record is newer than its end, and that
 * its end is not older than what the witness saw. Goes on after a fault that `onFault` bears.
 */
export async function checkRecords(
  db: Database,
  { witness, whole }: { witness: string; whole: boolean },
  onFault: OnFault = refuse,
): Promise<Standing> {
  const check = makeRecordCheck();
  for await (const [key, record] of allRecords(db, whole)) {
    bearing(onFault, () => check.take(openRecord(key, record)));
  }
  bearing(onFault, check.checkEnd);
  const standing = check.standing();
  bearing(onFault, () => {
    const witnessed = readWitness(witness);
    if (standing.last.lastRev < witnessed) throw gapError(standing.last.lastRev + 1, witnessed);
  });
  return standing;
}

function bearing(onFault: OnFault, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!isYardError(error)) throw error;
    onFault(error);
  }
}

async function* allRecords(db: Database, whole: boolean): AsyncGenerator<[string, Buffer]> {
  const range = whole ? {} : { lt: OWN_END };
  const iterator = db.iterator({ ...range, fillCache: false, highWaterMarkBytes: 2 ** 20 });
  try {
    for (;;) {
      const records = await iterator.nextv(SCAN_ENTRIES);
      if (records.length === 0) return;
      yield* records;
    }
  } finally {
    await iterator.close();
  }
}

function corrupt(what: string): YardError {
  return new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
}
