import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { YardError } from '../../base/errors.ts';
import { ifThere } from './directory.ts';
import { DAMAGE_HINT } from './failures.ts';
import { hasChecksum, makeReader } from './level-format.ts';
import type { Reader } from './level-format.ts';

/**
 * Which table files a LevelDB database consists of. Others may lie beside them, left by a crash,
 * half-written, and under numbers that LevelDB will give out again. Formats: `doc/log_format.md`
 * and `version_edit.cc` of LevelDB 1.20.
 */
export interface Manifest {
  /** The name of its file. */
  name: string;
  /** The size of each table, by its number. */
  tables: Map<number, number>;
}

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const [FULL, FIRST, LAST] = [1, 2, 4];

/** What each entry of an edit is made of: numbers (`n`) and strings (`s`). */
const ENTRIES: Record<number, string> = { 1: 's', 2: 'n', 3: 'n', 4: 'n', 5: 'ns', 9: 'n' };
const [DELETED_TABLE, NEW_TABLE] = [6, 7];

export async function readManifest(db: string): Promise<Manifest> {
  const current = await ifThere(readFile(join(db, 'CURRENT'), 'latin1'));
  const name = /^(MANIFEST-\d+)\n$/.exec(current ?? '')?.[1];
  if (name === undefined) throw damaged(join(db, 'CURRENT'), 'names no manifest');
  const path = join(db, name);
  const file = await ifThere(readFile(path));
  if (!file) throw damaged(path, 'is missing');
  const tables = new Map<number, number>();
  for (const edit of recordsOf(file, path)) applyEdit(tables, edit, path);
  return { name, tables };
}

/** The records of a file in the format of LevelDB's log; a last one that was cut off is none. */
function recordsOf(file: Buffer, path: string): Buffer[] {
  const records: Buffer[] = [];
  let parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const leftInBlock = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (leftInBlock < HEADER_BYTES) at += leftInBlock;
    if (at + HEADER_BYTES > file.length) return records;
    const size = file.readUInt16LE(at + 4);
    const type = file[at + 6]!;
    const end = at + HEADER_BYTES + size;
    if (end > file.length) return records;
    const isWhole = hasChecksum(file.subarray(at + 6, end), file.readUInt32LE(at));
    if (!isWhole || type < FULL || type > LAST) throw damaged(path, `is damaged at byte ${at}`);
    if (type === FULL || type === FIRST) parts = [];
    parts.push(file.subarray(at + HEADER_BYTES, end));
    if (type === FULL || type === LAST) records.push(Buffer.concat(parts));
    at = end;
  }
}

function applyEdit(tables: Map<number, number>, edit: Buffer, path: string): void {
  const read = makeReader(edit);
  while (read.position() < edit.length) {
    const tag = read.varint();
    if (tag === DELETED_TABLE) {
      read.varint();
      tables.delete(read.varint());
    } else if (tag === NEW_TABLE) {
      read.varint();
      tables.set(read.varint(), read.varint());
      skipEntry(read, 'ss');
    } else {
      const entry = ENTRIES[tag];
      if (entry === undefined) throw damaged(path, `has an entry of an unknown kind, ${tag}`);
      skipEntry(read, entry);
    }
  }
}

function skipEntry(read: Reader, parts: string): void {
  for (const part of parts) {
    const number = read.varint();
    if (part === 's') read.skip(number);
  }
}

function damaged(path: string, what: string): YardError {
  return new YardError('store.corrupt', `${path} ${what}`, { hint: DAMAGE_HINT });
}
