/** Keys in order with their entries, in memory: what stores without a database are made of. */
import type { Group } from './group.ts';
import type { Entry, Key, Range } from './port.ts';

export interface KeySpace {
  /** In no order. An entry is never changed, only replaced. */
  readonly entries: ReadonlyMap<Key, Entry>;
  apply: (changes: Pick<Group, 'keys' | 'values' | 'revs'>) => void;
  /** In order; all of them without bounds. */
  within: (range: Range) => Entry[];
}

/** Keys that lie together: among so many one is put in its place for next to nothing. */
const SHELF_MAX = 512;

export function makeKeySpace(): KeySpace {
  const entries = new Map<Key, Entry>();
  /** In order, as are the keys on each. Only where there is no key at all one is empty. */
  const shelves: Key[][] = [[]];

  /** Of the first key that is not before `key`; its place may be the end of a shelf. */
  function placeOf(key: Key): [shelf: number, place: number] {
    const shelf = Math.max(0, rankOf(shelves.length, (at) => shelves[at]![0], key, true) - 1);
    const keys = shelves[shelf]!;
    return [shelf, rankOf(keys.length, (at) => keys[at], key, false)];
  }

  function insert(key: Key): void {
    const [shelf, place] = placeOf(key);
    const keys = shelves[shelf]!;
    keys.splice(place, 0, key);
    if (keys.length > SHELF_MAX) shelves.splice(shelf + 1, 0, keys.splice(SHELF_MAX / 2));
  }

  function remove(key: Key): void {
    const [shelf, place] = placeOf(key);
    const keys = shelves[shelf]!;
    keys.splice(place, 1);
    if (keys.length === 0 && shelves.length > 1) shelves.splice(shelf, 1);
  }

  return {
    entries,
    apply({ keys, values, revs }) {
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i]!;
        const value = values[i];
        if (value === undefined) {
          if (entries.delete(key)) remove(key);
        } else {
          if (!entries.has(key)) insert(key);
          // The slice of a Buffer would be a view of it.
          entries.set(key, { key, value: new Uint8Array(value), rev: revs[i]! });
        }
      }
    },
    within({ gte, lt, reverse = false, limit = Infinity }) {
      const last = shelves.length - 1;
      const [from, first] = gte === undefined ? [0, 0] : placeOf(gte);
      const [to, end] = lt === undefined ? [last, shelves[last]!.length] : placeOf(lt);
      const found: Entry[] = [];
      const step = reverse ? -1 : 1;
      for (let at = reverse ? to : from; at >= from && at <= to; at += step) {
        const keys = shelves[at]!;
        const [low, high] = [at === from ? first : 0, at === to ? end : keys.length];
        for (let i = reverse ? high - 1 : low; i >= low && i < high; i += step) {
          if (found.length >= limit) return found;
          found.push(entries.get(keys[i]!)!);
        }
      }
      return found;
    },
  };
}

/** How many of `length` keys in order come before `key`, or are it. */
function rankOf(
  length: number,
  keyAt: (at: number) => Key | undefined,
  key: Key,
  orIs: boolean,
): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareKeys(keyAt(middle) ?? '', key);
    if (order < 0 || (orIs && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The order of the keys' UTF-8 bytes: that of code points, which is not quite that of strings. */
export function compareKeys(a: Key, b: Key): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return codePointOrder(x) - codePointOrder(y);
  }
  return a.length - b.length;
}

/** Surrogates, which stand for what is above, go after all other code units. */
function codePointOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
