import { YardError, quote } from '../../base/errors.ts';
import { BLOCK, checksumOf, tarPadding } from './tar.ts';
import type { EntryKind, TarEntry } from './tar.ts';

export interface ReadTarEntry extends TarEntry {
  /** What of it was not read when the next entry is asked for is skipped. */
  body: AsyncIterable<Uint8Array>;
}

/** Of an extended header, which holds names; the longest allowed path is far below. */
const META_BYTES_MAX = 64 * 1024;

const KINDS = new Map<string, EntryKind>([
  ['0', 'file'],
  ['\0', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['5', 'directory'],
]);

const REFUSED: Record<string, string> = {
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a fifo',
  S: 'a sparse file',
};

/**
 * Reads entries in order from pieces of bytes; `next` answers undefined at their end. Stricter
 * than a library: it refuses whatever two readers might understand differently.
 */
export async function* readTar(
  next: () => Promise<Uint8Array | undefined>,
): AsyncGenerator<ReadTarEntry, void, undefined> {
  const bytes = byteReader(next);
  let extended: Extended = {};
  for (;;) {
    const block = await bytes.exactly(BLOCK);
    if (isZero(block)) break;
    const header = readHeader(block);
    if ('xgLK'.includes(header.flag)) {
      extended = { ...extended, ...readExtended(header.flag, await bytes.meta(header.size)) };
      continue;
    }
    const size = extended.size ?? header.size;
    const pieces = bytes.part(size);
    yield { ...entryOf(header, extended), body: pieces() };
    for await (const _ of pieces());
    await bytes.exactly(tarPadding(size).length);
    extended = {};
  }
  for (let rest = await bytes.some(BLOCK); rest; rest = await bytes.some(BLOCK)) {
    if (!isZero(rest)) throw malformed('there are bytes after the end mark');
  }
}

/** What an extended header says instead of the header after it, whose names may then be cut. */
type Extended = Partial<Pick<TarEntry, 'name' | 'size' | 'target'>>;

type Header = ReturnType<typeof readHeader>;

function readHeader(block: Uint8Array) {
  if (readOctal(block, 148, 8) !== checksumOf(block)) {
    throw malformed('a header is damaged, or this is no tar archive');
  }
  // Where GNU's own format keeps other things, POSIX has the front part of a long name.
  const posix = Buffer.from(block.subarray(257, 263)).toString('latin1') === 'ustar\0';
  return {
    flag: String.fromCharCode(block[156]!),
    name: textField(block, 0, 100),
    front: posix ? textField(block, 345, 155) : new Uint8Array(0),
    mode: readOctal(block, 100, 8),
    size: readOctal(block, 124, 12),
    target: textField(block, 157, 100),
  };
}

function entryOf(header: Header, extended: Extended): TarEntry {
  const front = header.front.length === 0 ? '' : `${utf8(header.front)}/`;
  const name = extended.name ?? front + utf8(header.name);
  const kind = kindOf(header.flag, name);
  const size = extended.size ?? header.size;
  if (kind !== 'file' && size !== 0) throw malformed(`${quote(name)} is no file but has bytes`);
  if (kind === 'file' && name.endsWith('/')) {
    throw malformed(`the file ${quote(name)} is named like a directory`);
  }
  const target = extended.target ?? utf8(header.target);
  return { name, kind, mode: header.mode, size, target };
}

function kindOf(flag: string, name: string): EntryKind {
  const kind = KINDS.get(flag);
  if (kind) return kind;
  const what = REFUSED[flag] ?? `of the unknown type ${quote(flag)}`;
  throw new YardError('archive.type', `${quote(name)} is ${what}`, {
    hint: 'a bundle holds files, directories and links',
  });
}

function readExtended(flag: string, content: Uint8Array): Extended {
  if (flag === 'L') return { name: utf8(textField(content, 0, content.length)) };
  if (flag === 'K') return { target: utf8(textField(content, 0, content.length)) };
  const found: Extended = {};
  for (const [key, value] of paxRecords(Buffer.from(content))) {
    if (key.startsWith('GNU.sparse.')) throw new YardError('archive.type', 'it has a sparse file');
    if (key === 'path') found.name = utf8(value);
    if (key === 'linkpath') found.target = utf8(value);
    if (key === 'size') found.size = readSize(utf8(value));
  }
  if (flag === 'g' && Object.keys(found).length > 0) {
    throw malformed('a global header gives all entries one name or size');
  }
  return found;
}

/** Each record reads `<its own length> <key>=<value>\n`. */
function* paxRecords(content: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(' ', at);
    const length = readSize(content.toString('latin1', at, Math.max(at, space)));
    const end = at + length;
    const equals = content.indexOf('=', space);
    if (equals === -1 || equals >= end || end > content.length || content[end - 1] !== 0x0a) {
      throw malformed('an extended header is damaged');
    }
    yield [content.toString('latin1', space + 1, equals), content.subarray(equals + 1, end - 1)];
    at = end;
  }
}

function readSize(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw malformed('a size is not a number');
  return Number(text);
}

function readOctal(block: Uint8Array, at: number, length: number): number {
  const text = Buffer.from(block.subarray(at, at + length)).toString('latin1');
  const match = /^ *([0-7]+)[\0 ]*$/.exec(text);
  if (!match) throw malformed('a header is damaged, or this is no tar archive');
  return Number.parseInt(match[1]!, 8);
}

/** The bytes of a field up to its NUL. */
function textField(block: Uint8Array, at: number, length: number): Uint8Array {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const shown = quote(Buffer.from(bytes).toString('latin1'));
    throw new YardError('archive.entry', `${shown} is not UTF-8`, { cause });
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function malformed(why: string): YardError {
  return new YardError('archive.format', why);
}

function byteReader(next: () => Promise<Uint8Array | undefined>) {
  let held: Uint8Array = new Uint8Array(0);

  async function some(max: number): Promise<Uint8Array | undefined> {
    while (held.length === 0) {
      const piece = await next();
      if (piece === undefined) return undefined;
      held = piece;
    }
    const taken = held.subarray(0, max);
    held = held.subarray(taken.length);
    return taken;
  }

  /** Exactly the next `size` bytes, in pieces; a second walk goes on where the first left off. */
  function part(size: number): () => AsyncGenerator<Uint8Array> {
    let left = size;
    return async function* () {
      while (left > 0) {
        const piece = await some(left);
        if (!piece) throw malformed('it ends early');
        left -= piece.length;
        yield piece;
      }
    };
  }

  async function exactly(size: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of part(size)()) pieces.push(piece);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  async function meta(size: number): Promise<Uint8Array> {
    if (size > META_BYTES_MAX) throw malformed('an extended header is too long');
    const content = await exactly(size);
    await exactly(tarPadding(size).length);
    return content;
  }

  return { some, part, exactly, meta };
}
