/** Puts before each line of an output when it began to be written, as RFC 3339 has it, in UTC. */
import { formatInstant } from '../base/units.ts';
import type { OutputTimes } from '../protocol/http.ts';

export interface LineTimesOptions {
  /** When the bytes from `from` on came, of all that can be read by now. */
  ask: (from: number) => Promise<OutputTimes>;
  /** More may be written than there was when it was asked last. */
  grows: boolean;
  /** A return begins a line, too, as it is shown. */
  hasReturns: boolean;
}

const LF = 10;
const CR = 13;
/** Of a line whose time is not known. */
const UNKNOWN = '-'.padEnd('2026-01-01T00:00:00.000Z'.length);

/** Takes the bytes of one output, in order; it may be called again with those that it failed on. */
export function makeLineTimes({ ask, grows, hasReturns }: LineTimesOptions) {
  let marks: OutputTimes['marks'] = [];
  /** Of the marks, the first that begins later. */
  let next = 0;
  /** Bytes before that one have their marks. */
  let known = 0;
  let at = 0;
  let before = LF;

  async function learn(end: number): Promise<void> {
    if (end <= known) return;
    ({ marks } = await ask(at));
    next = 0;
    known = grows ? Math.max(end, marks.at(-1)?.[0] ?? 0) : Infinity;
  }

  function timeOf(offset: number): string {
    while (next < marks.length && marks[next]![0] <= offset) next++;
    const mark = marks[next - 1];
    return mark ? formatInstant(mark[1]) : UNKNOWN;
  }

  function beginsLine(byte: number): boolean {
    if (before === LF) return true;
    return hasReturns && before === CR && byte !== LF && byte !== CR;
  }

  return async (bytes: Uint8Array): Promise<Uint8Array> => {
    await learn(at + bytes.length);
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const [index, byte] of bytes.entries()) {
      if (beginsLine(byte)) {
        parts.push(bytes.subarray(from, index), Buffer.from(`${timeOf(at + index)} `));
        from = index;
      }
      before = byte;
    }
    at += bytes.length;
    parts.push(bytes.subarray(from));
    return Buffer.concat(parts);
  };
}
