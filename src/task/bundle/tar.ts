/**
 * The archive format of bundles: POSIX ustar with pax records. Written here and not by a library
 * because an id is the digest of these very bytes, so no upgrade may move one of them.
 */

export type EntryKind = 'file' | 'directory' | 'symlink' | 'hardlink';

export interface TarEntry {
  name: string;
  kind: EntryKind;
  mode: number;
  size: number;
  /** Where a link leads; empty for all else. */
  target: string;
}

export const BLOCK = 512;

const FLAGS: Record<EntryKind, string> = { file: '0', hardlink: '1', symlink: '2', directory: '5' };

/** Two blocks of zeros. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/** Zeros that fill the last block of a content of that size. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The blocks that stand before an entry's content. */
export function tarHeader(entry: TarEntry): Uint8Array {
  const name = entry.kind === 'directory' ? `${entry.name}/` : entry.name;
  const records: string[] = [];
  if (!fitsField(name)) records.push(paxRecord('path', name));
  if (!fitsField(entry.target)) records.push(paxRecord('linkpath', entry.target));
  const main = headerBlock(FLAGS[entry.kind], name, entry.mode, entry.size, entry.target);
  if (records.length === 0) return main;

  const content = Buffer.from(records.join(''));
  const before = headerBlock('x', 'PaxHeader', 0o644, content.length, '');
  return Buffer.concat([before, content, tarPadding(content.length), main]);
}

function fitsField(text: string): boolean {
  return text.length <= 100 && /^[ -~]*$/.test(text);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let digits = String(bytes).length;
  while (String(bytes + digits).length > digits) digits++;
  return `${bytes + digits}${rest}`;
}

function headerBlock(flag: string, name: string, mode: number, size: number, target: string) {
  const block = Buffer.alloc(BLOCK);
  block.write(fitsField(name) ? name : '', 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(flag, 156);
  block.write(fitsField(target) ? target : '', 157);
  block.write('ustar\x0000', 257);
  block.write(octal(0, 7), 329);
  block.write(octal(0, 7), 337);
  block.write(`${octal(checksumOf(block), 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

/** The sum of the header's bytes, its own field read as blanks. */
export function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return sum;
}
