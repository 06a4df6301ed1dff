import { Packr, Unpackr } from 'msgpackr';
import { YardError, messageOf } from '../base/errors.ts';
import { findFrameFault } from './frame-gate.ts';

/** Maps only: records need both sides to share a table, and one encoder serves every socket. */
const packr = new Packr({
  useRecords: false,
  // Without this an absent optional would travel as an extension, which the gate refuses.
  skipValues: [undefined],
} as ConstructorParameters<typeof Packr>[0]);

const unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: 'number',
  // A view of a few bytes would keep its whole frame, and the socket's read buffer, in memory.
  copyBuffers: true,
});

/**
 * Encodes plain data: strings, finite numbers, booleans, null, bytes, arrays and plain objects.
 * Absent properties are left out. The result may share memory with nothing that is written later.
 */
export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** Decodes one frame from a stranger; byte strings in it are copies and may be kept. */
export function decode(bytes: Uint8Array): unknown {
  const fault = findFrameFault(bytes);
  if (fault) throw fault;
  try {
    return unpackr.unpack(bytes);
  } catch (error) {
    throw new YardError('frame.undecodable', messageOf(error), { cause: error });
  }
}
