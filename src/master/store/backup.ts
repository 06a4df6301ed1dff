import { createHash } from 'node:crypto';
import { YardError } from '../../base/errors.ts';
import { checksum } from './record.ts';
import type { BackupManifest, Entry, Rev } from './port.ts';

/**
 * The stream of a backup, the same from every adapter: a line of JSON with format, schema and rev;
 * the entries in the order of their keys, those of the leases first, since epochs must not go back
 * on a restore; a last line of JSON with their number. An entry is its key's length, its value's
 * length, its rev (two words), its checksum, all little-endian, then key and value. The last line
 * begins after four zero bytes.
 */
const FORMAT = 'runyard-backup-1';
const HEAD_BYTES = 20;
const CHUNK_BYTES = 256 * 1024;
const TWO_32 = 2 ** 32;

type Sink = (chunk: Uint8Array) => Promise<void>;

export async function writeBackup(
  about: { schema: number; rev: Rev },
  entries: AsyncIterable<Entry>,
  sink: Sink,
): Promise<BackupManifest> {
  const hash = createHash('sha256');
  let chunks: Uint8Array[] = [line({ format: FORMAT, ...about })];
  let size = 0;
  let count = 0;
  async function flush(): Promise<void> {
    const chunk = Buffer.concat(chunks);
    chunks = [];
    size = 0;
    hash.update(chunk);
    await sink(chunk);
  }
  for await (const entry of entries) {
    const head = encodeHead(entry);
    chunks.push(head, entry.value);
    size += head.length + entry.value.length;
    count++;
    if (size >= CHUNK_BYTES) await flush();
  }
  chunks.push(Buffer.alloc(4), line({ entries: count }));
  await flush();
  return { ...about, entries: count, sha256: hash.digest('hex') };
}

function line(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

function encodeHead({ key, value, rev }: Entry): Buffer {
  const name = Buffer.from(key);
  const head = Buffer.allocUnsafe(HEAD_BYTES + name.length);
  head.writeUInt32LE(name.length, 0);
  head.writeUInt32LE(value.length, 4);
  head.writeUInt32LE(rev % TWO_32, 8);
  head.writeUInt32LE(Math.floor(rev / TWO_32), 12);
  head.writeUInt32LE(checksum(key, rev, value), 16);
  head.set(name, HEAD_BYTES);
  return head;
}

/** Gives the entries of a backup, and at the end its manifest; throws where it is damaged or cut. */
export async function* readBackup(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Entry, BackupManifest> {
  const hash = createHash('sha256');
  const take = makeReader(source, (chunk) => hash.update(chunk));
  const about = (await takeLine(take)) as { format: string; schema: number; rev: Rev };
  if (about.format !== FORMAT) throw damaged(`its format is not ${FORMAT}`);
  let entries = 0;
  for (;;) {
    const keyBytes = (await take(4)).readUInt32LE(0);
    if (keyBytes === 0) break;
    const head = await take(HEAD_BYTES - 4);
    const rev = head.readUInt32LE(4) + head.readUInt32LE(8) * TWO_32;
    const key = (await take(keyBytes)).toString();
    const value = await take(head.readUInt32LE(0));
    if (checksum(key, rev, value) !== head.readUInt32LE(12)) {
      throw damaged(`entry ${entries + 1} fails its checksum`);
    }
    entries++;
    yield { key, value, rev };
  }
  const end = (await takeLine(take)) as { entries: number };
  if (end.entries !== entries) throw damaged(`it holds ${entries} of ${end.entries} entries`);
  return { schema: about.schema, rev: about.rev, entries, sha256: hash.digest('hex') };
}

function makeReader(source: AsyncIterable<Uint8Array>, seen: (chunk: Uint8Array) => void) {
  const chunks = source[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  return async (size: number): Promise<Buffer> => {
    const parts = [held];
    let length = held.length;
    while (length < size) {
      const next = await chunks.next();
      if (next.done) throw damaged('it ends too early');
      seen(next.value);
      parts.push(Buffer.from(next.value));
      length += next.value.length;
    }
    if (parts.length > 1) held = Buffer.concat(parts);
    const taken = held.subarray(0, size);
    held = held.subarray(size);
    return taken;
  };
}

async function takeLine(take: (size: number) => Promise<Buffer>): Promise<unknown> {
  let text = '';
  while (!text.endsWith('\n')) {
    if (text.length > 1000) throw damaged('it does not begin or end as one');
    text += (await take(1)).toString('latin1');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw damaged('its first or last line cannot be read');
  }
}

function damaged(what: string): YardError {
  return new YardError('store.corrupt', `this backup is damaged: ${what}`, {
    hint: 'take another backup',
  });
}
