/**
 * The text of an output: its bytes as they come, where each line begins, and the style in force at
 * some of them. A million lines cost their bytes and four bytes a line.
 */
import { PLAIN, applySgr, readLine } from './ansi.ts';
import type { Piece, Style } from './ansi.ts';

const SLAB_BYTES = 2 ** 22;
/** The style is kept at the beginning of each block of so many lines. */
const BLOCK_LINES = 256;
const PARAMETERS_MAX = 64;
const ESC = 27;
const LF = 10;

export interface LogText {
  /** Bytes so far. */
  readonly size: number;
  /** Lines so far; one that has no end yet counts. */
  readonly lines: number;
  append: (bytes: Uint8Array) => void;
  textOf: (line: number) => string;
  /** Its first byte. */
  startOf: (line: number) => number;
  /** Lines from one to another, exclusive, as they are drawn. */
  draw: (from: number, to: number) => Piece[][];
  /** Lines below `to`, exclusive, from `from` on that hold the text, whatever its case. */
  find: (text: string, from: number, to: number) => number[];
  /** All of it without colours. */
  plain: () => Blob;
}

export function makeLogText(): LogText {
  const bytes = makeSlabs();
  const starts = makeStarts();
  const styles: Style[] = [PLAIN];
  const reader = readStyles(styles);
  const decoder = new TextDecoder();
  /** Lines that have begun; the last may hold nothing yet. */
  const lines = () =>
    starts.at(starts.count - 1) === bytes.size ? starts.count - 1 : starts.count;
  const startOf = (line: number) => (line < starts.count ? starts.at(line) : bytes.size);
  const between = (from: number, to: number) =>
    decoder.decode(bytes.slice(startOf(from), startOf(to)));
  const textOf = (line: number) => between(line, line + 1).replace(/\n$/, '');

  return {
    get size() {
      return bytes.size;
    },
    get lines() {
      return lines();
    },
    append(piece) {
      for (let i = 0; i < piece.length; i++) {
        const byte = piece[i]!;
        reader.read(byte);
        if (byte !== LF) continue;
        if (starts.count % BLOCK_LINES === 0) styles.push(reader.style());
        starts.push(bytes.size + i + 1);
      }
      bytes.append(piece);
    },
    textOf,
    startOf,
    draw(from, to) {
      const block = Math.floor(from / BLOCK_LINES);
      let style = styles[block] ?? PLAIN;
      const drawn: Piece[][] = [];
      for (let line = block * BLOCK_LINES; line < Math.min(to, lines()); line++) {
        const read = readLine(textOf(line), style);
        style = read.style;
        if (line >= from) drawn.push(read.pieces);
      }
      return drawn;
    },
    find(wanted, from, to) {
      const lower = wanted.toLowerCase();
      const all = between(from, to).toLowerCase();
      if (!all.includes(lower)) return [];
      return all.split('\n').flatMap((line, index) => (line.includes(lower) ? [from + index] : []));
    },
    plain() {
      const parts: string[] = [];
      for (let line = 0; line < lines(); line++) {
        const { pieces } = readLine(textOf(line), PLAIN);
        parts.push(pieces.map((piece) => piece.text).join(''), '\n');
      }
      return new Blob(parts, { type: 'text/plain' });
    },
  };
}

/** Bytes in slabs, so that what grows is never copied. */
function makeSlabs() {
  const slabs: Uint8Array[] = [];
  let size = 0;
  return {
    get size() {
      return size;
    },
    append(bytes: Uint8Array): void {
      for (let from = 0; from < bytes.length;) {
        const room = SLAB_BYTES - (size % SLAB_BYTES);
        if (room === SLAB_BYTES) slabs.push(new Uint8Array(SLAB_BYTES));
        const part = bytes.subarray(from, from + room);
        slabs.at(-1)!.set(part, size % SLAB_BYTES);
        size += part.length;
        from += part.length;
      }
    },
    slice(from: number, to: number): Uint8Array {
      const first = Math.floor(from / SLAB_BYTES) * SLAB_BYTES;
      if (to <= first + SLAB_BYTES) {
        return slabs[first / SLAB_BYTES]?.subarray(from - first, to - first) ?? new Uint8Array();
      }
      const joined = new Uint8Array(to - from);
      for (let at = from; at < to;) {
        const slab = Math.floor(at / SLAB_BYTES);
        const offset = slab * SLAB_BYTES;
        const end = Math.min(to, offset + SLAB_BYTES);
        joined.set(slabs[slab]!.subarray(at - offset, end - offset), at - from);
        at = end;
      }
      return joined;
    },
  };
}

/** Where each line begins; the first at 0. */
function makeStarts() {
  let starts = new Uint32Array(1024);
  let count = 1;
  return {
    get count() {
      return count;
    },
    at: (line: number) => starts[line]!,
    push(offset: number): void {
      if (count === starts.length) {
        const more = new Uint32Array(starts.length * 2);
        more.set(starts);
        starts = more;
      }
      starts[count++] = offset;
    },
  };
}

/** Follows the style through the bytes; a sequence may be cut anywhere. */
function readStyles(styles: readonly Style[]) {
  let style = styles[0]!;
  let mode: 'text' | 'escape' | 'parameters' = 'text';
  let parameters = '';
  return {
    style: () => style,
    read(byte: number): void {
      if (mode === 'text') {
        if (byte === ESC) mode = 'escape';
        return;
      }
      if (mode === 'escape') {
        mode = byte === 0x5b ? 'parameters' : 'text';
        parameters = '';
        return;
      }
      const isParameter = (byte >= 0x30 && byte <= 0x39) || byte === 0x3b || byte === 0x3a;
      if (isParameter && parameters.length < PARAMETERS_MAX) {
        parameters += String.fromCharCode(byte);
        return;
      }
      if (byte === 0x6d) style = applySgr(style, parameters);
      mode = byte === ESC ? 'escape' : 'text';
    },
  };
}
