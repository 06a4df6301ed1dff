/**
 * The gate before decoding. It reads the shape of a MessagePack frame without building anything,
 * so that no frame can make the decoder allocate, recurse or construct what we never send.
 */
import { YardError } from '../base/errors.ts';

export const FRAME_BYTES_MAX = 262_144;
export const FRAME_DEPTH_MAX = 16;
/** Values in one frame, containers among them; the keys of maps are not counted. */
export const FRAME_NODES_MAX = 10_000;

/** What follows a first byte: how many bytes (0 and up), or one of the kinds below. */
const FOLLOWS = new Int8Array(256);
const LENGTH_8 = -1;
const LENGTH_16 = -2;
const LENGTH_32 = -3;
const ARRAY = -4;
const MAP = -5;
const EXTENSION = -6;
const RESERVED = -7;

for (let head = 0x80; head <= 0x8f; head++) FOLLOWS[head] = MAP;
for (let head = 0x90; head <= 0x9f; head++) FOLLOWS[head] = ARRAY;
for (let head = 0xa0; head <= 0xbf; head++) FOLLOWS[head] = head & 0x1f;
FOLLOWS[0xc1] = RESERVED;
FOLLOWS.set([LENGTH_8, LENGTH_16, LENGTH_32], 0xc4);
FOLLOWS.set([EXTENSION, EXTENSION, EXTENSION], 0xc7);
FOLLOWS.set([4, 8, 1, 2, 4, 8, 1, 2, 4, 8], 0xca);
FOLLOWS.set([EXTENSION, EXTENSION, EXTENSION, EXTENSION, EXTENSION], 0xd4);
FOLLOWS.set([LENGTH_8, LENGTH_16, LENGTH_32], 0xd9);
FOLLOWS.set([ARRAY, ARRAY, MAP, MAP], 0xdc);

/** Items still to come in the containers around the present one; written before it is read. */
const outerLeft = new Float64Array(FRAME_DEPTH_MAX + 1);
const outerIsMap = new Uint8Array(FRAME_DEPTH_MAX + 1);

/** Says what is wrong with a frame, if anything is; nothing wrong means it is safe to decode. */
export function findFrameFault(bytes: Uint8Array): YardError | undefined {
  const size = bytes.length;
  if (size > FRAME_BYTES_MAX) return tooLarge(size);
  let at = 0;
  let depth = 0;
  let nodes = 0;
  let left = 1;
  let isMap = false;

  for (;;) {
    while (left === 0) {
      if (depth === 0) return at === size ? undefined : trailing(at, size);
      depth--;
      left = outerLeft[depth]!;
      isMap = outerIsMap[depth] === 1;
    }
    if (at >= size) return truncated(at, size);
    const head = bytes[at]!;
    const follows = FOLLOWS[head]!;
    left--;
    // A map's items are counted in pairs, so an odd number left means that this one is a key.
    if (isMap && (left & 1) === 1) {
      if (!isString(head)) return keyNotString(head, at);
    } else if (++nodes > FRAME_NODES_MAX) return tooManyNodes();

    if (follows >= 0) {
      if (follows === 8 && isInteger64(head) && at + 9 <= size && !isSafe(bytes, head, at + 1)) {
        return unsafeInteger(at);
      }
      at += 1 + follows;
    } else if (follows >= LENGTH_32) {
      const width = 1 << (-1 - follows);
      if (at + 1 + width > size) return truncated(at, size);
      at += 1 + width + readUint(bytes, at + 1, width);
    } else if (follows >= MAP) {
      const width = head < 0xa0 ? 0 : (head & 1) === 0 ? 2 : 4;
      if (at + 1 + width > size) return truncated(at, size);
      const count = width === 0 ? head & 0x0f : readUint(bytes, at + 1, width);
      const items = follows === MAP ? count * 2 : count;
      at += 1 + width;
      // Every item takes a byte at least, so a longer claim is a lie: no need to walk there.
      if (items > size - at) return truncated(at, size);
      if (nodes + count > FRAME_NODES_MAX) return tooManyNodes();
      if (depth === FRAME_DEPTH_MAX) return tooDeep(at);
      outerLeft[depth] = left;
      outerIsMap[depth] = isMap ? 1 : 0;
      depth++;
      left = items;
      isMap = follows === MAP;
    } else return notAllowed(head, at);
    if (at > size) return truncated(at, size);
  }
}

function readUint(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

function isString(head: number): boolean {
  return (head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb);
}

function isInteger64(head: number): boolean {
  return head === 0xcf || head === 0xd3;
}

/** Beyond 2^53 the decoder would hand on a neighbouring number without saying so. */
function isSafe(bytes: Uint8Array, head: number, at: number): boolean {
  const high = readUint(bytes, at, 4);
  if (head === 0xcf || high < 2 ** 31) return high <= 0x1f_ffff;
  const signed = high - 2 ** 32;
  return signed > -0x20_0000 || (signed === -0x20_0000 && readUint(bytes, at + 4, 4) > 0);
}

function hex(head: number): string {
  return `0x${head.toString(16).padStart(2, '0')}`;
}

function tooLarge(size: number): YardError {
  return new YardError('frame.too_large', `${size} bytes, at most ${FRAME_BYTES_MAX} are allowed`);
}

function tooManyNodes(): YardError {
  return new YardError('frame.too_many_nodes', `more than ${FRAME_NODES_MAX} values`);
}

function tooDeep(at: number): YardError {
  return new YardError('frame.too_deep', `more than ${FRAME_DEPTH_MAX} levels at byte ${at}`);
}

function truncated(at: number, size: number): YardError {
  return new YardError('frame.truncated', `${size} bytes, and more were announced at byte ${at}`);
}

function trailing(at: number, size: number): YardError {
  return new YardError('frame.trailing_bytes', `${size - at} bytes follow the value`);
}

function keyNotString(head: number, at: number): YardError {
  return new YardError('frame.key_type', `a key of type ${hex(head)} at byte ${at}, not a string`);
}

function unsafeInteger(at: number): YardError {
  return new YardError('frame.unsafe_integer', `an integer beyond 2^53 at byte ${at}`);
}

function notAllowed(head: number, at: number): YardError {
  const code = head === 0xc1 ? 'frame.reserved_byte' : 'frame.ext_not_allowed';
  return new YardError(code, `type ${hex(head)} at byte ${at}`);
}
