import { statfs } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { YardError, assert } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { OWN_END } from './chain.ts';
import { pathsOf } from './directory.ts';
import { makeGroupWriter } from './group-writer.ts';
import { openState } from './opening.ts';
import type { OpenState } from './opening.ts';
import { OPS_MAX, VALUE_BYTES_MAX, checkKey, makeCommitQueue } from './queue.ts';
import type { CommitQueue } from './queue.ts';
import { backUp, readEntries, scanEntries } from './reading.ts';
import { makeTaking } from './taking.ts';
import { makeTopics } from './topics.ts';
import type { Entry, Key, Range, Rev, StateStore } from './port.ts';

export interface LevelStoreOptions {
  /** The state directory; the database is in `db` below it. */
  directory: string;
  clock: Clock;
  random: Random;
  /** Of this process, for the lock. */
  pid: number;
  /** How many records of commit groups are kept at least, to tell where something was lost. */
  linksKept?: number;
}

const LINKS_KEPT = 65_536;

/** The embedded store: one process owns it. `open` refuses what is damaged or not ours, untouched. */
export function makeLevelStore(options: LevelStoreOptions): StateStore {
  const { directory, clock, linksKept = LINKS_KEPT } = options;
  const topics = makeTopics();
  const take = makeTaking(clock);
  let closing: Promise<void> | undefined;
  let opened: { state: OpenState; queue: CommitQueue } | undefined;

  function current(): { state: OpenState; queue: CommitQueue } {
    if (!opened) throw new YardError('store.closed', `${directory} is not open`);
    return opened;
  }

  async function readMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    for (const key of keys) checkKey(key);
    return readEntries(current().state.db, keys);
  }

  async function* scan(range: Range): AsyncGenerator<Entry> {
    const gte = range.gte !== undefined && range.gte > OWN_END ? range.gte : OWN_END;
    yield* scanEntries(current().state.db, { ...range, gte });
  }

  function makeQueue({ db, witness, standing }: OpenState): CommitQueue {
    const write = makeGroupWriter({ db, witness, linksKept }, standing);
    const readRevs = async (keys: Key[]): Promise<Rev[]> =>
      (await readEntries(db, keys)).map((entry) => entry?.rev ?? 0);
    const leases = new Map(
      [...standing.epochs].map(([shard, epoch]) => [shard, { epoch, held: false }]),
    );
    return makeCommitQueue(
      { readRevs, write, notify: topics.notify, soon: queueMicrotask },
      { lastRev: standing.last.lastRev, leases },
    );
  }

  async function close(): Promise<void> {
    await opened?.queue.close();
    await opened?.state.close();
    opened = undefined;
  }

  return {
    caps: { shared: false, valueBytesMax: VALUE_BYTES_MAX, opsMax: OPS_MAX },
    leases: {
      acquire: async (...args) => current().queue.leases.acquire(...args),
      renew: async (...args) => current().queue.leases.renew(...args),
      release: async (...args) => current().queue.leases.release(...args),
    },
    async open() {
      assert(!opened && !closing, 'a store is opened once');
      const state = await openState(pathsOf(directory), options);
      opened = { state, queue: makeQueue(state) };
    },
    close() {
      closing ??= close();
      return closing;
    },
    get: async (key) => (await readMany([key]))[0],
    getMany: readMany,
    scan,
    take: (range, n) => take(scan(range), n),
    commit: async (commit) => current().queue.commit(commit),
    watch: topics.watch,
    backup: async (sink) => backUp(current().state.db, sink),
    async health() {
      const { bavail, bsize } = await statfs(directory);
      return { writable: opened?.queue.isOpen() ?? false, freeBytes: bavail * bsize };
    },
  };
}
