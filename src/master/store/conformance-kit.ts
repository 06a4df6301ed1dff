import { expect } from 'vitest';
import { readBackup } from './backup.ts';
import type { Entry, Fence, Key, Op, Range, StateStore } from './port.ts';

/** Declares one test that gets a store of its own, and a fence that it holds. */
export type Each = (
  title: string,
  check: (store: StateStore, fence: Fence) => Promise<void>,
) => void;

export async function readAll(chunks: Uint8Array[]) {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const reader = readBackup(source());
  const entries: Entry[] = [];
  for (;;) {
    const next = await reader.next();
    if (next.done) return { entries, end: next.value };
    entries.push(next.value);
  }
}

export async function entriesOf(store: StateStore, range: Range): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of store.scan(range)) entries.push(entry);
  return entries;
}

export async function keysOf(store: StateStore, range: Range): Promise<Key[]> {
  return (await entriesOf(store, range)).map(({ key }) => key);
}

export function put(key: Key, text: string): Op {
  return { put: key, value: Buffer.from(text) };
}

export function del(key: Key): Op {
  return { del: key };
}

export function textOf(entry: Entry | undefined): string | undefined {
  return entry && Buffer.from(entry.value).toString();
}

export function revOf(result: unknown): number {
  expect(result).toMatchObject({ ok: true });
  return (result as { rev: number }).rev;
}

export function keyOf(i: number): Key {
  return `k${String(i).padStart(5, '0')}`;
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
