import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import { finishedReport } from '../protocol/to-master.ts';
import { assignment as assignmentSchema } from '../protocol/to-slave.ts';
import { keyOf } from './attempt.ts';
import type { Spool } from './spool.ts';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** In an attempt's directory: its assignment and, once it ended, its report. */
export const JOURNAL = 'journal';
/** No link that a task may have put there is followed. */
const WRITE_ONLY = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
/** The length of a record and its checksum, both of four bytes, big-endian. */
const HEADER_BYTES = 8;

/**
 * The spool in the attempts' own directories. Not synced: it is there for a killed process; after a
 * power cut the attempt is lost and its run is given to another (promise 2).
 *
 * A journal is never cut short, only overwritten: to free and to find blocks again for each attempt
 * costs some file systems more than all else that a short task needs.
 */
export function makeFileSpool(workDir: string): Spool {
  const at = (key: string) => join(workDir, 'attempts', key, JOURNAL);
  /** Where the next record of an attempt goes. */
  const ends = new Map<string, number>();

  function append(key: string, value: unknown): void {
    const end = ends.get(key) ?? 0;
    const record = recordOf(value);
    const journal = openSync(at(key), WRITE_ONLY, 0o600);
    try {
      // A disk that becomes full takes the first part of it without a word.
      for (let done = 0; done < record.length;) {
        done += writeSync(journal, record, done, record.length - done, end + done);
      }
    } finally {
      closeSync(journal);
    }
    ends.set(key, end + record.length);
  }

  return {
    async keepAssignment(key, assignment) {
      ends.delete(key);
      append(key, assignment);
    },
    async keepReport(key, report) {
      append(key, report);
      ends.delete(key);
    },
    async read(key) {
      const bytes = readOrNothing(at(key));
      const first = readRecord(bytes, 0);
      const assignment = assignmentSchema.safeParse(first?.value).data;
      // What an earlier attempt left in this directory is of no concern to this one.
      if (!first || !assignment || keyOf(assignment) !== key) {
        return { assignment: undefined, report: undefined };
      }
      ends.set(key, first.end);
      const report = finishedReport.safeParse(readRecord(bytes, first.end)?.value).data;
      return { assignment, report: report && keyOf(report) === key ? report : undefined };
    },
    keepEpoch: async (masterEpoch) => replace(join(workDir, 'epoch'), masterEpoch),
    async readEpoch() {
      const epoch = unpackOrNothing(readOrNothing(join(workDir, 'epoch')));
      return typeof epoch === 'number' ? epoch : 0;
    },
    keepDrained: async (drained) => replace(join(workDir, 'drained'), drained),
    readDrained: async () => unpackOrNothing(readOrNothing(join(workDir, 'drained'))) === true,
  };
}

function replace(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, packr.pack(value));
  renameSync(`${path}.new`, path);
}

function recordOf(value: unknown): Buffer {
  const body = packr.pack(value);
  const record = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  record.writeUInt32BE(body.length, 0);
  record.writeUInt32BE(crc32(body), 4);
  record.set(body, HEADER_BYTES);
  return record;
}

/** undefined: not written, or not wholly; then it was never acted on. */
function readRecord(bytes: Buffer, from: number): { value: unknown; end: number } | undefined {
  if (bytes.length < from + HEADER_BYTES) return undefined;
  const start = from + HEADER_BYTES;
  const end = start + bytes.readUInt32BE(from);
  const body = bytes.subarray(start, end);
  if (end > bytes.length || crc32(body) !== bytes.readUInt32BE(from + 4)) return undefined;
  return { value: unpackOrNothing(body), end };
}

function unpackOrNothing(bytes: Buffer): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch {
    return undefined;
  }
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
