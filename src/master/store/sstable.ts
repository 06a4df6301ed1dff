import { hasChecksum, makeReader } from './level-format.ts';
import type { Reader } from './level-format.ts';

/**
 * Verifies the checksum of every block of one LevelDB table file. LevelDB itself never does (what
 * would make it is out of our reach), and a block that is merely wrong can hide a key as if it had
 * been deleted. Format: `doc/table_format.md` of LevelDB 1.20.
 */

const FOOTER_BYTES = 48;
const MAGIC = Buffer.from('57fb808b247547db', 'hex');
/** A byte of type and four of checksum follow each block. */
const TRAILER_BYTES = 5;
const SNAPPY = 1;

interface Handle {
  offset: number;
  size: number;
}

/** What is wrong with the file; undefined: nothing. */
export function findTableFault(file: Buffer): string | undefined {
  if (file.length < FOOTER_BYTES) return 'is cut off';
  const footer = file.subarray(file.length - FOOTER_BYTES);
  if (!footer.subarray(FOOTER_BYTES - MAGIC.length).equals(MAGIC)) return 'has no footer';
  const read = makeReader(footer);
  const metaIndex = readHandle(read);
  const index = readHandle(read);
  const roots = [metaIndex, index];
  const rootFault = faultOf(file, roots);
  if (rootFault !== undefined) return rootFault;
  const leaves = roots.flatMap((root) => handlesIn(contentOf(file, root)));
  return faultOf(file, leaves) ?? holeIn(file, [...roots, ...leaves]);
}

function faultOf(file: Buffer, blocks: readonly Handle[]): string | undefined {
  for (const { offset, size } of blocks) {
    const end = offset + size;
    if (end + TRAILER_BYTES > file.length - FOOTER_BYTES) return `has a block past its end`;
    if (!hasChecksum(file.subarray(offset, end + 1), file.readUInt32LE(end + 1))) {
      return `has a wrong checksum at byte ${offset}`;
    }
  }
  return undefined;
}

/** Every byte belongs to a block; an index that lost an entry would leave a hole. */
function holeIn(file: Buffer, blocks: readonly Handle[]): string | undefined {
  let at = 0;
  for (const { offset, size } of blocks.toSorted((a, b) => a.offset - b.offset)) {
    if (offset !== at) return `has bytes of no block at byte ${at}`;
    at = offset + size + TRAILER_BYTES;
  }
  return at === file.length - FOOTER_BYTES ? undefined : `has bytes of no block at byte ${at}`;
}

function contentOf(file: Buffer, { offset, size }: Handle): Buffer {
  const block = file.subarray(offset, offset + size);
  return file[offset + size] === SNAPPY ? unsnappy(block) : block;
}

/** The handles that the entries of an index have as their values. */
function handlesIn(block: Buffer): Handle[] {
  const restarts = block.readUInt32LE(block.length - 4);
  const entries = block.subarray(0, block.length - 4 * (restarts + 1));
  const read = makeReader(entries);
  const handles: Handle[] = [];
  while (read.position() < entries.length) {
    read.varint();
    const keyBytes = read.varint();
    const valueBytes = read.varint();
    read.skip(keyBytes);
    const after = read.position() + valueBytes;
    handles.push(readHandle(read));
    read.skip(after - read.position());
  }
  return handles;
}

function readHandle(read: Reader): Handle {
  return { offset: read.varint(), size: read.varint() };
}

/** Only ever used on a block whose checksum holds. */
function unsnappy(block: Buffer): Buffer {
  const read = makeReader(block);
  const out = Buffer.alloc(read.varint());
  let end = 0;
  let at = read.position();
  while (at < block.length) {
    const tag = block[at++]!;
    if ((tag & 3) === 0) {
      const extra = Math.max(0, (tag >> 2) - 59);
      const size = (extra === 0 ? tag >> 2 : block.readUIntLE(at, extra)) + 1;
      at += extra;
      block.copy(out, end, at, at + size);
      at += size;
      end += size;
      continue;
    }
    const near = (tag & 3) === 1;
    const offsetBytes = near ? 1 : (tag & 3) === 2 ? 2 : 4;
    const offset = block.readUIntLE(at, offsetBytes) + (near ? (tag >> 5) * 256 : 0);
    at += offsetBytes;
    const size = near ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    // Byte by byte, since what is copied may overlap what it makes.
    for (let i = 0; i < size; i++, end++) out[end] = out[end - offset]!;
  }
  return out;
}
