import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encode } from './codec.ts';
import { FRAME_BYTES_MAX, FRAME_DEPTH_MAX, FRAME_NODES_MAX, findFrameFault } from './frame-gate.ts';

const refused: [name: string, bytes: Uint8Array, code: string][] = [
  ['nothing at all', of(), 'frame.truncated'],
  ['a string that ends early', of(0xa5, 0x61), 'frame.truncated'],
  ['a length that ends early', of(0xdb, 0x00), 'frame.truncated'],
  ['an array that ends early', of(0x93, 0x01, 0x02), 'frame.truncated'],
  ['a number that ends early', of(0xcb, 0x00), 'frame.truncated'],
  ['bytes of four gigabytes', of(0xc6, 0xff, 0xff, 0xff, 0xff), 'frame.truncated'],
  ['an array of four billion', of(0xdd, 0xff, 0xff, 0xff, 0xff), 'frame.truncated'],
  ['a map of four billion', of(0xdf, 0xff, 0xff, 0xff, 0xff), 'frame.truncated'],
  ['a second value', of(0x01, 0x02), 'frame.trailing_bytes'],
  ['a byte after a closed map', of(0x81, 0xa1, 0x61, 0x01, 0x00), 'frame.trailing_bytes'],
  ['fixext', of(0xd4, 0x01, 0x00), 'frame.ext_not_allowed'],
  ['fixext 16', of(0xd8, 0x01, ...new Uint8Array(16)), 'frame.ext_not_allowed'],
  ['ext 8', of(0xc7, 0x01, 0x01, 0x00), 'frame.ext_not_allowed'],
  ['ext 32', of(0xc9, 0, 0, 0, 1, 1, 0), 'frame.ext_not_allowed'],
  [
    'an extension deep within',
    of(0x91, 0x81, 0xa1, 0x61, 0xd6, 0xff, 0, 0, 0, 0),
    'frame.ext_not_allowed',
  ],
  ['the byte that means nothing', of(0xc1), 'frame.reserved_byte'],
  ['a number as a key', of(0x81, 0x01, 0x01), 'frame.key_type'],
  ['a map as a key', of(0x81, 0x80, 0x01), 'frame.key_type'],
  ['bytes as a second key', of(0x82, 0xa1, 0x61, 0x01, 0xc4, 0x00, 0x01), 'frame.key_type'],
  [
    'an unsigned integer beyond 2^53',
    of(0xcf, 0x00, 0x20, 0, 0, 0, 0, 0, 0),
    'frame.unsafe_integer',
  ],
  [
    'a negative integer beyond 2^53',
    of(0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 0),
    'frame.unsafe_integer',
  ],
  ['one level too many', nested(FRAME_DEPTH_MAX + 1), 'frame.too_deep'],
  ['a hundred thousand levels', nested(100_000), 'frame.too_deep'],
  ['one value too many', arrayOf(FRAME_NODES_MAX), 'frame.too_many_nodes'],
  ['a frame of empty maps', arrayOf(200_000, 0x80), 'frame.too_many_nodes'],
  ['one byte too many', encode('x'.repeat(FRAME_BYTES_MAX - 4)), 'frame.too_large'],
];

test.each(refused)('the gate refuses %s', (_name, bytes, code) => {
  expect(findFrameFault(bytes)?.code).toBe(code);
});

test('the type of a refused extension is named, with its place', () => {
  const fault = findFrameFault(of(0x91, 0xc7, 0x01, 0x01, 0x00));

  expect(fault?.message).toBe('frame.ext_not_allowed: type 0xc7 at byte 1');
});

test('a frame exactly at each limit passes', () => {
  expect(findFrameFault(encode('x'.repeat(FRAME_BYTES_MAX - 5)))).toBeUndefined();
  expect(findFrameFault(nested(FRAME_DEPTH_MAX))).toBeUndefined();
  expect(findFrameFault(arrayOf(FRAME_NODES_MAX - 1))).toBeUndefined();
  expect(findFrameFault(of(0xcf, 0x00, 0x1f, ...new Uint8Array(6).fill(0xff)))).toBeUndefined();
  expect(findFrameFault(of(0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1))).toBeUndefined();
});

test('all plain data that is encoded passes the gate', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      expect(findFrameFault(encode(value))).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

test('a frame that is cut anywhere is truncated', () => {
  const whole = encode({
    type: 'status',
    run: 'r1',
    steps: [1, 2.5, -70_000, null, true],
    out: of(1),
  });

  for (let size = 0; size < whole.length; size++) {
    expect(findFrameFault(whole.subarray(0, size))?.code).toBe('frame.truncated');
  }
});

function of(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

/** Arrays in arrays; the innermost is empty. */
function nested(levels: number): Uint8Array {
  return new Uint8Array(levels).fill(0x91).fill(0x90, levels - 1);
}

function arrayOf(count: number, item = 0x00): Uint8Array {
  const bytes = new Uint8Array(5 + count).fill(item);
  new DataView(bytes.buffer).setUint32(1, count);
  bytes[0] = 0xdd;
  return bytes;
}
