import { describe, test } from 'vitest';
import { commits, fences, guards } from './conformance-commits.ts';
import type { Each } from './conformance-kit.ts';
import { backups, limits, ranges, takers, watchers } from './conformance-reads.ts';
import type { StateStore } from './port.ts';

/** A store that was opened, and what removes it and all that it left. */
export interface Subject {
  store: StateStore;
  dispose: () => Promise<void>;
}

/** Everything that the port promises, for any adapter. */
export function storeConformance(name: string, open: () => Promise<Subject>): void {
  const each: Each = (title, check) =>
    test(title, async () => {
      const { store, dispose } = await open();
      try {
        const fence = await store.leases.acquire('all', 'a test', 60_000);
        await check(store, fence!);
      } finally {
        await dispose();
      }
    });
  describe(name, () => {
    describe('commits', () => commits(each));
    describe('guards', () => guards(each));
    describe('fences', () => fences(each));
    describe('ranges', () => ranges(each));
    describe('takers', () => takers(each));
    describe('watchers', () => watchers(each));
    describe('limits', () => limits(each));
    describe('backups', () => backups(each));
  });
}
