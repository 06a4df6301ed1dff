/**
 * The protocol that this build speaks, major.minor. 1.0: the first. 1.1: slaves send outputs again
 * that the master lost, and say when they take no more work.
 * Masters and slaves of one major understand each other; unknown fields are dropped.
 */
export const PROTOCOL = '1.1';
export const PROTOCOL_MIN = '1.0';
export const VERSION = '0.1.0';

/** Whether two ranges of versions overlap. */
export function protocolsOverlap(a: Range, b: Range): boolean {
  return compare(a.min, b.max) <= 0 && compare(b.min, a.max) <= 0;
}

/** The highest version that both of two overlapping ranges have. */
export function agreedProtocol(a: Range, b: Range): string {
  return compare(a.max, b.max) <= 0 ? a.max : b.max;
}

/** Whether a peer of that version knows what `since` brought. */
export function speaks(version: string, since: string): boolean {
  return compare(version, since) >= 0;
}

interface Range {
  min: string;
  max: string;
}

function compare(a: string, b: string): number {
  // Nearly always: asked for each frame, while releases are rarely mixed.
  if (a === b) return 0;
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA === majorB ? minorA - minorB : majorA - majorB;
}
