import { crc32 } from 'node:zlib';
import { YardError, quote } from '../../base/errors.ts';
import { DAMAGE_HINT } from './failures.ts';
import type { Entry, Key, Rev } from './port.ts';

/** Before the payload: checksum, rev (low word, high word); little-endian. */
const HEADER_BYTES = 12;
const TWO_32 = 2 ** 32;

/** Over rev, key and payload together: a record in another's place does not pass. */
export function checksum(key: Key, rev: Rev, payload: Uint8Array | undefined): number {
  const seed = ((rev % TWO_32) ^ Math.imul(Math.floor(rev / TWO_32) + 1, 0x9e3779b1)) >>> 0;
  const ofKey = crc32(key, seed);
  return payload === undefined ? ofKey : crc32(payload, ofKey);
}

/** Gives records for writing; each is valid until the next is made, since they share one buffer. */
export function makeRecordWriter() {
  let shared = Buffer.allocUnsafe(4096);
  return (rev: Rev, crc: number, payload: Uint8Array): Buffer => {
    const size = HEADER_BYTES + payload.length;
    if (shared.length < size) shared = Buffer.allocUnsafe(size * 2);
    writeHeader(shared, rev, crc);
    shared.set(payload, HEADER_BYTES);
    return shared.subarray(0, size);
  };
}

function writeHeader(record: Buffer, rev: Rev, crc: number): void {
  record.writeUInt32LE(crc, 0);
  record.writeUInt32LE(rev % TWO_32, 4);
  record.writeUInt32LE(Math.floor(rev / TWO_32), 8);
}

/** Checks a record and takes it apart; the value is a view of it. */
export function openRecord(key: Key, record: Buffer): Entry {
  if (record.length < HEADER_BYTES) throw damaged(key);
  const rev = record.readUInt32LE(4) + record.readUInt32LE(8) * TWO_32;
  const value = record.subarray(HEADER_BYTES);
  if (checksum(key, rev, value) !== record.readUInt32LE(0)) throw damaged(key);
  return { key, value, rev };
}

function damaged(key: Key): YardError {
  return new YardError('store.corrupt', `the record of key ${quote(key)} fails its checksum`, {
    hint: DAMAGE_HINT,
  });
}
