import { createHash } from 'node:crypto';
import { YardError, assert } from '../../base/errors.ts';
import { DAMAGE_HINT } from './failures.ts';
import type { Key, Rev } from './port.ts';

/**
 * One record for each group of commits, each holding the hash of the one before it: LevelDB drops
 * what it cannot read from the middle of its log without a word, and this is what notices.
 */
export interface Link {
  /** Counts the groups, without gaps. */
  group: number;
  firstRev: Rev;
  lastRev: Rev;
  previousHash: Buffer;
  /** Over the other fields and the checksums of all that the group wrote. */
  hash: Buffer;
}

const HASH_BYTES = 32;
const LINK_BYTES = 18 + 2 * HASH_BYTES;

/** Before the first group. */
export const CHAIN_START: Link = {
  group: 0,
  firstRev: 0,
  lastRev: 0,
  previousHash: Buffer.alloc(HASH_BYTES),
  hash: Buffer.alloc(HASH_BYTES),
};

/** Holds the last link that was pruned: where the chain is anchored now. */
export const ANCHOR_KEY = '\0a';
export const LINK_PREFIX = '\0c';
/** The keys of the store's own all sort before this. */
export const OWN_END = '\u0001';

export function linkKey(group: number): Key {
  return LINK_PREFIX + String(group).padStart(15, '0');
}

/** The link of the group that comes after `previous`. `checksums`: four bytes for each record. */
export function nextLink(previous: Link, lastRev: Rev, checksums: Uint8Array): Link {
  const link: Link = {
    group: previous.group + 1,
    firstRev: previous.lastRev + 1,
    lastRev,
    previousHash: previous.hash,
    hash: CHAIN_START.hash,
  };
  const fields = encodeLink(link).subarray(0, LINK_BYTES - HASH_BYTES);
  return { ...link, hash: createHash('sha256').update(fields).update(checksums).digest() };
}

export function encodeLink(link: Link): Buffer {
  const bytes = Buffer.allocUnsafe(LINK_BYTES);
  bytes.writeUIntBE(link.group, 0, 6);
  bytes.writeUIntBE(link.firstRev, 6, 6);
  bytes.writeUIntBE(link.lastRev, 12, 6);
  bytes.set(link.previousHash, 18);
  bytes.set(link.hash, 18 + HASH_BYTES);
  return bytes;
}

export function decodeLink(bytes: Uint8Array): Link {
  assert(bytes.length === LINK_BYTES, 'a link whose checksum holds has its length');
  // Copied: the record that it stands in is not kept alive by it.
  const copy = Buffer.from(bytes);
  return {
    group: copy.readUIntBE(0, 6),
    firstRev: copy.readUIntBE(6, 6),
    lastRev: copy.readUIntBE(12, 6),
    previousHash: copy.subarray(18, 18 + HASH_BYTES),
    hash: copy.subarray(18 + HASH_BYTES),
  };
}

/** Throws unless `link` is what was written right after `previous`. */
export function checkSuccessor(previous: Link, link: Link): void {
  if (link.group !== previous.group + 1 || link.firstRev !== previous.lastRev + 1) {
    throw gapError(previous.lastRev + 1, link.firstRev - 1);
  }
  if (!link.previousHash.equals(previous.hash)) {
    const what = `commit ${link.firstRev} does not follow from commit ${previous.lastRev}`;
    throw new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
  }
}

/** Commits that were acknowledged and are not there. */
export function gapError(from: Rev, to: Rev): YardError {
  return new YardError('store.gap', `from=${from} to=${to}: these commits are lost`, {
    hint: DAMAGE_HINT,
  });
}
