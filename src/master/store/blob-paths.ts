import { join } from 'node:path';
import { YardError, quote } from '../../base/errors.ts';
import type { Key } from './port.ts';

/** Where one blob lies: it is `part` while it grows and `sealed` ever after. */
export interface BlobPaths {
  /** The directory of both. */
  directory: string;
  part: string;
  sealed: string;
}

/** Room under the 255 bytes of a file name for the endings below. */
const SEGMENT_MAX = 240;
const KEY_MAX = 1024;

/** Escapes stay as they are; those for `.` and `/` are refused, lest a reader ever decode them. */
const SEGMENT = /^(?:[A-Za-z0-9._+-]|%(?!2[EF])[0-9A-F]{2})+$/;

/** Throws `ref.invalid` for a key that is not one; what it gives lies below `root`, always. */
export function pathsOf(root: string, key: Key): BlobPaths {
  const names = segmentsOf(key).map(nameOf);
  const name = names.pop()!;
  const directory = join(root, ...names);
  return { directory, part: join(directory, `${name}.part`), sealed: join(directory, name) };
}

function segmentsOf(key: Key): string[] {
  if (key.length > KEY_MAX) throw invalid(key, `is longer than ${KEY_MAX} characters`);
  const segments = key.split('/');
  for (const segment of segments) {
    if (segment === '') throw invalid(key, 'has an empty segment');
    if (segment === '.' || segment === '..') throw invalid(key, 'leaves its place');
    if (segment.length > SEGMENT_MAX) {
      throw invalid(key, `has a segment longer than ${SEGMENT_MAX} characters`);
    }
    if (!SEGMENT.test(segment)) throw invalid(key, `has the bad segment ${quote(segment)}`);
  }
  return segments;
}

/** A blob called `x.part` must not be taken for the open blob `x`; no key holds a `~`. */
function nameOf(segment: string): string {
  return segment.endsWith('.part') ? `${segment}~` : segment;
}

function invalid(key: Key, why: string): YardError {
  return new YardError('ref.invalid', `blob key ${quote(key)} ${why}`, {
    hint: 'use segments of A-Z, a-z, 0-9, ".", "_", "+", "-" and "%XX" with "/" between them',
  });
}
