/**
 * A map of what comes and goes all the time. Where V8 before 12 grows a Map anew, the table of
 * before keeps its entries and points to the next one: once one such table is old, all that was
 * ever in the map lives until the next full collection. Here a deleted entry leaves an empty box.
 */
export class ChurnMap<K, V> implements ReadonlyMap<K, V> {
  readonly #boxes = new Map<K, { value: V | undefined }>();

  get size(): number {
    return this.#boxes.size;
  }

  get(key: K): V | undefined {
    return this.#boxes.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#boxes.has(key);
  }

  set(key: K, value: V): this {
    const box = this.#boxes.get(key);
    if (box) box.value = value;
    else this.#boxes.set(key, { value });
    return this;
  }

  delete(key: K): boolean {
    const box = this.#boxes.get(key);
    if (!box) return false;
    box.value = undefined;
    return this.#boxes.delete(key);
  }

  keys(): MapIterator<K> {
    return this.#boxes.keys();
  }

  *values(): Generator<V, undefined> {
    for (const box of this.#boxes.values()) yield box.value as V;
  }

  *entries(): Generator<[K, V], undefined> {
    for (const [key, box] of this.#boxes) yield [key, box.value as V];
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries();
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, box] of this.#boxes) callback(box.value as V, key, this);
  }
}
