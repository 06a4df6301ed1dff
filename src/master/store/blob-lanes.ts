import type { Key } from './port.ts';

/**
 * Work on one key runs in call order, one at a time; work on a tree waits for all that was called
 * before it on keys in that tree, and holds up all that is called after it.
 */
export interface Lanes {
  onKey: <T>(key: Key, work: () => Promise<T>) => Promise<T>;
  /** The tree is the key itself and everything below `key/`. */
  onTree: <T>(key: Key, work: () => Promise<T>) => Promise<T>;
  /** Resolves when nothing that was called before is under way. */
  idle: () => Promise<void>;
}

type Tails = Map<Key, Promise<void>>;

export function makeLanes(): Lanes {
  const keys: Tails = new Map();
  const trees: Tails = new Map();

  return {
    onKey(key, work) {
      const before = [...(trees.size === 0 ? [] : overlapping(trees, key))];
      const tail = keys.get(key);
      if (tail !== undefined) before.push(tail);
      return enter(keys, key, before, work);
    },
    onTree(key, work) {
      const below = [...keys].filter(([other]) => isWithin(other, key)).map(([, tail]) => tail);
      return enter(trees, key, [...below, ...overlapping(trees, key)], work);
    },
    async idle() {
      await Promise.all([...keys.values(), ...trees.values()]);
    },
  };
}

export function isWithin(key: Key, tree: Key): boolean {
  return key === tree || key.startsWith(`${tree}/`);
}

function overlapping(trees: Tails, key: Key): Promise<void>[] {
  return [...trees]
    .filter(([tree]) => isWithin(key, tree) || isWithin(tree, key))
    .map(([, tail]) => tail);
}

function enter<T>(
  tails: Tails,
  key: Key,
  before: Promise<void>[],
  work: () => Promise<T>,
): Promise<T> {
  const result = before.length === 0 ? work() : Promise.all(before).then(work);
  const leave = () => {
    if (tails.get(key) === tail) tails.delete(key);
  };
  // The caller hears of a failure; who comes next in the lane does not depend on it.
  const tail = result.then(leave, leave);
  tails.set(key, tail);
  return result;
}
