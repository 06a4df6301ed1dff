/**
 * When bytes of an output came, as marks: from which byte on, and when, in milliseconds since 1970.
 * A mark holds until the next one begins; bytes before the first one have no time. Pure.
 */
import type { OutputTimes } from '../protocol/http.ts';

export type Mark = OutputTimes['marks'][number];

/** Six bytes each, big-endian: where, and when. */
const NUMBER_BYTES = 6;
export const MARK_BYTES = 2 * NUMBER_BYTES;

export function packMarks(marks: readonly Mark[]): Buffer {
  const packed = Buffer.allocUnsafe(marks.length * MARK_BYTES);
  for (const [index, [offset, at]] of marks.entries()) {
    packed.writeUIntBE(offset, index * MARK_BYTES, NUMBER_BYTES);
    packed.writeUIntBE(at, index * MARK_BYTES + NUMBER_BYTES, NUMBER_BYTES);
  }
  return packed;
}

/**
 * Marks of pieces that were cut anywhere, those that end in each. A power cut may leave zeros or a
 * part of a mark: what is not in order is passed over.
 */
export async function* unpackMarks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Mark[]> {
  let rest = Buffer.alloc(0);
  let last: Mark | undefined;
  for await (const piece of pieces) {
    const bytes = Buffer.concat([rest, piece]);
    const end = bytes.length - (bytes.length % MARK_BYTES);
    const marks: Mark[] = [];
    for (let i = 0; i < end; i += MARK_BYTES) {
      const offset = bytes.readUIntBE(i, NUMBER_BYTES);
      const at = bytes.readUIntBE(i + NUMBER_BYTES, NUMBER_BYTES);
      if (at === 0 || !isAfter([offset, at], last)) continue;
      last = [offset, at];
      marks.push(last);
    }
    yield marks;
    rest = bytes.subarray(end);
  }
}

/** Whether it begins later in the output, and came no earlier. */
export function isAfter([offset, at]: Mark, last: Mark | undefined): boolean {
  return last === undefined || (offset > last[0] && at >= last[1]);
}

/**
 * Some `max` marks at most. If there are more, those are left out that came too soon after the one
 * before: a byte then counts as come up to so much too early.
 */
export function thin(marks: readonly Mark[], max: number): readonly Mark[] {
  if (marks.length <= max) return marks;
  const gapMs = Math.ceil((marks.at(-1)![1] - marks[0]![1]) / max);
  let keptAt = -Infinity;
  return marks.filter(([, at]) => {
    const isKept = at - keptAt >= gapMs;
    if (isKept) keptAt = at;
    return isKept;
  });
}
