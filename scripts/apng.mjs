/**
 * Joins PNG pictures of one size into one that moves (APNG, which browsers show like any PNG): the
 * first as it is, of each later one what differs, laid over what is there.
 */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

/** A kind of picture, and how many bytes a pixel of it has. */
const WITH_ALPHA = 6;
const PIXEL = 4;
/** How a row was made smaller. */
const UP = 2;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** @param {Buffer[]} pictures PNGs as a browser writes them: 8 bits, not interlaced */
export function animate(pictures, frameMs) {
  const frames = pictures.map(read);
  const { width, height, header } = frames[0];
  const parts = [SIGNATURE, chunk('IHDR', header), chunk('acTL', numbers(frames.length, 0))];
  let sequence = 0;
  let before;
  for (const frame of frames) {
    const box = before ? differing(before, frame) : { x: 0, y: 0, width, height };
    const control = numbers(sequence++, box.width, box.height, box.x, box.y);
    const [DISPOSE_NONE, BLEND_OVER] = [0, 1];
    const rest = [frameMs >> 8, frameMs & 255, 1000 >> 8, 1000 & 255, DISPOSE_NONE, BLEND_OVER];
    parts.push(chunk('fcTL', Buffer.concat([control, Buffer.from(rest)])));
    const rows = before ? changes(before, frame, box) : differences(cut(frame, box));
    const bytes = deflateSync(Buffer.concat(rows), { level: 9 });
    parts.push(
      before ? chunk('fdAT', Buffer.concat([numbers(sequence++), bytes])) : chunk('IDAT', bytes),
    );
    before = frame;
  }
  return Buffer.concat([...parts, chunk('IEND', Buffer.alloc(0))]);
}

function numbers(...values) {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([numbers(data.length), body, numbers(crc32(body))]);
}

/** A picture's pixels, row by row. */
function read(png) {
  let header;
  const data = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const bytes = png.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') header = Buffer.from(bytes);
    if (type === 'IDAT') data.push(bytes);
    at += 12 + length;
  }
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  const depth = header[9] === WITH_ALPHA ? 4 : 3;
  const rows = unfiltered(inflateSync(Buffer.concat(data)), width * depth, height, depth);
  header[9] = WITH_ALPHA;
  return { header, width, height, rows: depth === 4 ? rows : rows.map(opaque) };
}

/** Red, green and blue with nothing seen through them. */
function opaque(row) {
  const out = Buffer.alloc((row.length / 3) * 4, 255);
  for (let from = 0, to = 0; from < row.length; from += 3, to += 4)
    row.copy(out, to, from, from + 3);
  return out;
}

function unfiltered(bytes, stride, height, depth) {
  const rows = [];
  let above = Buffer.alloc(stride);
  for (let y = 0; y < height; y++) {
    const at = y * (stride + 1);
    const filter = bytes[at];
    const row = Buffer.from(bytes.subarray(at + 1, at + 1 + stride));
    for (let x = 0; x < stride; x++) {
      const left = x >= depth ? row[x - depth] : 0;
      const corner = x >= depth ? above[x - depth] : 0;
      row[x] += guess(filter, left, above[x], corner);
    }
    rows.push(row);
    above = row;
  }
  return rows;
}

function guess(filter, left, up, corner) {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter !== 4) return 0;
  const base = left + up - corner;
  const [a, b, c] = [Math.abs(base - left), Math.abs(base - up), Math.abs(base - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** The smallest box around all that differs; one pixel where nothing does. */
function differing(before, { rows, width }) {
  let [top, bottom, left, right] = [Infinity, -1, width, -1];
  for (const [y, row] of rows.entries()) {
    const old = before.rows[y];
    if (row.equals(old)) continue;
    top = Math.min(top, y);
    bottom = y;
    let [from, to] = [0, row.length - 1];
    while (row[from] === old[from]) from++;
    while (row[to] === old[to]) to--;
    left = Math.min(left, Math.floor(from / PIXEL));
    right = Math.max(right, Math.floor(to / PIXEL));
  }
  if (bottom === -1) return { x: 0, y: 0, width: 1, height: 1 };
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

function cut({ rows }, { x, y, width, height }) {
  return rows.slice(y, y + height).map((row) => row.subarray(x * PIXEL, (x + width) * PIXEL));
}

/** Each row as its difference from the one above: flat pictures become zeros. */
function differences(rows) {
  return rows.map((row, y) => {
    const above = rows[y - 1];
    const out = Buffer.alloc(row.length + 1);
    out[0] = above ? UP : 0;
    for (let x = 0; x < row.length; x++) out[x + 1] = above ? row[x] - above[x] : row[x];
    return out;
  });
}

/** What is as it was is seen through. */
function changes(before, frame, box) {
  const old = cut(before, box);
  return cut(frame, box).map((row, y) => {
    const out = Buffer.alloc(row.length + 1);
    for (let x = 0; x < row.length; x += PIXEL) {
      if (row.readUInt32LE(x) !== old[y].readUInt32LE(x)) row.copy(out, x + 1, x, x + PIXEL);
    }
    return out;
  });
}
