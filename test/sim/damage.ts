/**
 * S27: what a damaged disk would hold, laid before the real checks of the store. LevelDB drops what
 * it cannot read from the middle of its log without a word (dst.md part 2.4), so must they not.
 */
import { isYardError } from '../../src/base/errors.ts';
import {
  CHAIN_START,
  encodeLink,
  gapError,
  linkKey,
  nextLink,
} from '../../src/master/store/chain.ts';
import { makeRecordCheck } from '../../src/master/store/check.ts';
import type { Group } from '../../src/master/store/group.ts';
import { compareKeys } from '../../src/master/store/key-space.ts';
import type { Key, Rev } from '../../src/master/store/port.ts';
import { checksum, makeRecordWriter, openRecord } from '../../src/master/store/record.ts';
import type { Draw } from './draw.ts';

export const DAMAGES = ['flip', 'hole', 'tail', 'swap', 'foreign', 'none'] as const;
export type Damage = (typeof DAMAGES)[number];

type Records = Map<Key, Buffer>;

/** The groups that were written, as records, each with its link, from the first on. */
function recordsOf(groups: readonly Group[], isLeftOut: (index: number) => boolean): Records {
  const records: Records = new Map();
  const toRecord = makeRecordWriter();
  const put = (key: Key, rev: Rev, payload: Uint8Array, crc: number) =>
    records.set(key, Buffer.from(toRecord(rev, crc, payload)));
  let last = CHAIN_START;
  for (const [index, { keys, values, revs, lastRev }] of groups.entries()) {
    const checksums = Buffer.alloc(4 * keys.length);
    for (let i = 0; i < keys.length; i++) {
      const [key, value, rev] = [keys[i]!, values[i], revs[i]!];
      const crc = checksum(key, rev, value);
      checksums.writeUInt32LE(crc, 4 * i);
      if (isLeftOut(index)) continue;
      if (value === undefined) records.delete(key);
      else put(key, rev, value, crc);
    }
    last = nextLink(last, lastRev, checksums);
    const bytes = encodeLink(last);
    const key = linkKey(last.group);
    if (!isLeftOut(index)) put(key, lastRev, bytes, checksum(key, lastRev, bytes));
  }
  return records;
}

/** Why a start on these records is refused; undefined: it would be served. */
function refusalOf(records: Records, witnessed: Rev): string | undefined {
  const check = makeRecordCheck();
  try {
    for (const key of [...records.keys()].sort(compareKeys)) {
      check.take(openRecord(key, records.get(key)!));
    }
    check.checkEnd();
    const { lastRev } = check.standing().last;
    if (lastRev < witnessed) throw gapError(lastRev + 1, witnessed);
    return undefined;
  } catch (error) {
    if (!isYardError(error)) throw error;
    return error.code;
  }
}

function damaged(groups: readonly Group[], damage: Damage, draw: Draw): Records {
  const lost = draw.int(0, groups.length - 2);
  const isLost = (index: number) =>
    damage === 'hole' ? index === lost : damage === 'tail' && index > lost;
  const records = recordsOf(groups, isLost);
  const keys = [...records.keys()];
  const key = draw.pick(keys);
  if (damage === 'flip') {
    const record = records.get(key)!;
    const bit = draw.int(0, record.length * 8 - 1);
    record[bit >> 3]! ^= 1 << (bit & 7);
  } else if (damage === 'swap') {
    const other = keys[(keys.indexOf(key) + 1) % keys.length]!;
    const record = records.get(key)!;
    records.set(key, records.get(other)!);
    records.set(other, record);
  } else if (damage === 'foreign') {
    // The later half of another yard of the same age, which began otherwise.
    const others = groups.map((group, index) =>
      index === 0 ? { ...group, lastRev: 1, keys: [], values: [], revs: [] } : group,
    );
    const late = [...recordsOf(others, (index) => index <= lost)];
    for (const [name, record] of late) records.set(name, record);
  }
  return records;
}

/** What is wrong with how such a damage is met; undefined: nothing. */
export function meet(
  groups: readonly Group[],
  damage: Damage,
  draw: Draw,
): { code: string | undefined; fault: string | undefined } {
  const witnessed = groups.at(-1)!.lastRev;
  const code = refusalOf(damaged(groups, damage, draw), witnessed);
  if (damage === 'none') {
    return { code, fault: code && `a whole store of ${groups.length} groups is refused: ${code}` };
  }
  const isNamed = code === 'store.corrupt' || code === 'store.gap';
  return { code, fault: isNamed ? undefined : `a store with a ${damage} is served (${code})` };
}
