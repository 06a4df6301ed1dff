/** What LevelDB's files have in common: numbers of any length, and checksums. */

/** Reads numbers and skips bytes, from the front. */
export function makeReader(bytes: Buffer) {
  let at = 0;
  function varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
  return {
    varint,
    skip: (count: number) => void (at += count),
    position: () => at,
  };
}

export type Reader = ReturnType<typeof makeReader>;

/**
 * Whether the bytes have this checksum. It is stored masked, since a checksum of data that holds
 * checksums is weak.
 */
export function hasChecksum(bytes: Buffer, masked: number): boolean {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return crc32c(bytes) === ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

const CRC32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Buffer): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC32C[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
