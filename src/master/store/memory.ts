import type { Clock } from '../../base/clock.ts';
import { YardError, assert } from '../../base/errors.ts';
import { writeBackup } from './backup.ts';
import { OWN_END } from './chain.ts';
import { SCHEMA } from './directory.ts';
import { makeKeySpace } from './key-space.ts';
import { OPS_MAX, VALUE_BYTES_MAX, checkKey, makeCommitQueue } from './queue.ts';
import { makeTaking } from './taking.ts';
import { makeTopics } from './topics.ts';
import type { Entry, Key, Range, Rev, StateStore } from './port.ts';

/**
 * The same port without a disk, for tests and simulations. Its groups are as asynchronous as those
 * of a disk: each ends at the end of a turn of the clock.
 */
export function makeMemoryStore(clock: Clock): StateStore {
  const space = makeKeySpace();
  const topics = makeTopics();
  const take = makeTaking(clock);
  let rev: Rev = 0;
  let status: 'new' | 'open' | 'closed' = 'new';

  const queue = makeCommitQueue(
    {
      readRevs: async (keys) => keys.map((key) => space.entries.get(key)?.rev ?? 0),
      write: (group) =>
        new Promise((resolve) => {
          clock.soon(() => {
            space.apply(group);
            rev = group.lastRev;
            resolve();
          });
        }),
      notify: topics.notify,
      soon: clock.soon,
    },
    { lastRev: 0, leases: new Map() },
  );

  function mustBeOpen(): void {
    if (status !== 'open') throw new YardError('store.closed', 'this store is not open');
  }

  async function getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    mustBeOpen();
    for (const key of keys) checkKey(key);
    return keys.map((key) => copy(space.entries.get(key)));
  }

  async function* scan(range: Range): AsyncGenerator<Entry> {
    mustBeOpen();
    const gte = range.gte !== undefined && range.gte > OWN_END ? range.gte : OWN_END;
    yield* eachCopied(space.within({ ...range, gte }));
  }

  return {
    caps: { shared: false, valueBytesMax: VALUE_BYTES_MAX, opsMax: OPS_MAX },
    leases: {
      async acquire(...args) {
        mustBeOpen();
        return queue.leases.acquire(...args);
      },
      renew: queue.leases.renew,
      release: queue.leases.release,
    },
    async open() {
      assert(status === 'new', 'a store is opened once');
      status = 'open';
    },
    async close() {
      await queue.close();
      status = 'closed';
    },
    get: async (key) => (await getMany([key]))[0],
    getMany,
    scan,
    take: (range, n) => take(scan(range), n),
    async commit(commit) {
      mustBeOpen();
      return queue.commit(commit);
    },
    watch: topics.watch,
    async backup(sink) {
      mustBeOpen();
      return writeBackup({ schema: SCHEMA, rev }, eachCopied(space.within({})), sink);
    },
    health: async () => ({ writable: status === 'open' && queue.isOpen() }),
  };
}

async function* eachCopied(entries: readonly Entry[]): AsyncGenerator<Entry> {
  for (const entry of entries) yield copy(entry);
}

/** What a reader does to the bytes is not done to the store. */
function copy<T extends Entry | undefined>(entry: T): T {
  return entry && { ...entry, value: entry.value.slice() };
}
