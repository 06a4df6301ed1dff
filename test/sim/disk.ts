/**
 * The master's disk under its state store: synced groups, each whole or not at all, as LevelDB
 * keeps them (dst.md part 2.4). A write under way when the process dies may have happened.
 */
import type { Clock } from '../../src/base/clock.ts';
import { YardError } from '../../src/base/errors.ts';
import { writeBackup } from '../../src/master/store/backup.ts';
import { SCHEMA } from '../../src/master/store/directory.ts';
import { LEASE_PREFIX, decodeLease } from '../../src/master/store/group.ts';
import type { Group, Leases } from '../../src/master/store/group.ts';
import { makeKeySpace } from '../../src/master/store/key-space.ts';
import type { Entry, Key, Range, Rev, StateStore } from '../../src/master/store/port.ts';
import {
  OPS_MAX,
  VALUE_BYTES_MAX,
  checkKey,
  makeCommitQueue,
} from '../../src/master/store/queue.ts';
import { makeTaking } from '../../src/master/store/taking.ts';
import { makeTopics } from '../../src/master/store/topics.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';

export interface DiskOptions {
  readUs: number;
  syncMinUs: number;
  syncMeanUs: number;
  /** Chance that a read or a sync stalls, for up to `stallMaxUs`. */
  stallRate: number;
  stallMaxUs: number;
}

export interface Disk {
  /** All that a power cut would leave now. */
  readonly entries: ReadonlyMap<Key, Entry>;
  readonly lastRev: Rev;
  find: (key: Key) => Entry | undefined;
  within: (range: Range) => Entry[];
  /** Resolves when the group is on disk; never, if its process died meanwhile. */
  write: (group: Group, life: Life) => Promise<void>;
  readUs: () => number;
  syncUs: () => number;
  /** The next write fails; whether it happened nobody knows. */
  failNext: () => void;
  /** All groups that got there, in order; kept only if somebody asked for them. */
  readonly groups: readonly Group[];
  /** How many writes were under way when their process died. */
  readonly settled: number;
  setFull: (isFull: boolean) => void;
  readonly isFull: boolean;
  /** It has room, and no failure is due any more. */
  heal: () => void;
  /** Settles what was under way when its process died. */
  settle: () => void;
}

/** `onDurable` hears each group at the instant at which it is on disk. */
export function makeDisk(
  kernel: Kernel,
  draw: Draw,
  options: DiskOptions,
  onDurable: (group: Group) => void,
  keepsGroups = false,
): Disk {
  const space = makeKeySpace();
  const groups: Group[] = [];
  let settled = 0;
  let lastRev: Rev = 0;
  let underWay: Group | undefined;
  let failing = false;
  let isFull = false;

  function apply(group: Group): void {
    space.apply(group);
    lastRev = group.lastRev;
    if (keepsGroups) groups.push({ ...group, values: group.values.map((value) => value?.slice()) });
    onDurable(group);
  }

  const orStalled = (us: number) =>
    draw.chance(options.stallRate) ? us + draw.float() * options.stallMaxUs : us;
  const syncUs = () => orStalled(options.syncMinUs + draw.exponential(options.syncMeanUs));

  return {
    entries: space.entries,
    groups,
    get settled() {
      return settled;
    },
    get lastRev() {
      return lastRev;
    },
    find: (key) => space.entries.get(key),
    within: space.within,
    write(group, life) {
      return new Promise((resolve, reject) => {
        underWay = group;
        kernel.after(syncUs(), KIND.disk, () => {
          if (underWay !== group) return;
          underWay = undefined;
          if (failing || isFull) {
            const happened = failing && draw.chance(0.5);
            const code = failing ? 'store.unavailable' : 'store.full';
            failing = false;
            if (happened) apply(group);
            const error = new YardError(code, 'the simulated disk failed');
            return void kernel.after(0, KIND.disk, () => reject(error), life);
          }
          apply(group);
          kernel.after(0, KIND.disk, resolve, life);
        });
      });
    },
    readUs: () => orStalled(options.readUs * (0.5 + draw.float())),
    syncUs,
    failNext: () => void (failing = true),
    setFull: (full) => void (isFull = full),
    heal: () => void (isFull = failing = false),
    get isFull() {
      return isFull;
    },
    settle() {
      const group = underWay;
      underWay = undefined;
      failing = false;
      if (group) settled++;
      if (group && !isFull && draw.chance(0.5)) apply(group);
    },
  };
}

export interface SimStoreOptions {
  disk: Disk;
  kernel: Kernel;
  life: Life;
  clock: Clock;
  /** At each commit, before it is queued. */
  onCommit?: (isEmpty: boolean) => void;
}

/** So many entries of a scan are read at once. */
const PAGE = 16;

/** The store port for one process of the master, over a disk that outlives it. */
export function makeSimStore({ disk, kernel, life, clock, onCommit }: SimStoreOptions): StateStore {
  const topics = makeTopics();
  const take = makeTaking(clock);
  let status: 'new' | 'open' | 'closed' = 'new';
  const leases: Leases = new Map();
  for (const { key, value } of disk.entries.values()) {
    if (!key.startsWith(LEASE_PREFIX)) continue;
    leases.set(key.slice(LEASE_PREFIX.length), { epoch: decodeLease(value), held: false });
  }
  const queue = makeCommitQueue(
    {
      readRevs: async (keys) => {
        await read();
        return keys.map((key) => disk.find(key)?.rev ?? 0);
      },
      write: (group) => disk.write(group, life),
      notify: topics.notify,
      soon: clock.soon,
    },
    { lastRev: disk.lastRev, leases },
  );

  function read(): Promise<void> {
    return new Promise((resolve) => {
      kernel.after(disk.readUs(), KIND.disk, resolve, life);
    });
  }

  function mustBeOpen(): void {
    if (status !== 'open') throw new YardError('store.closed', 'this store is not open');
  }

  async function getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    mustBeOpen();
    for (const key of keys) checkKey(key);
    await read();
    return keys.map((key) => {
      const entry = disk.find(key);
      return entry && copy(entry);
    });
  }

  async function* scan(range: Range): AsyncGenerator<Entry> {
    mustBeOpen();
    const gte = range.gte !== undefined && range.gte > '\u0001' ? range.gte : '\u0001';
    const found = disk.within({ ...range, gte });
    for (let at = 0; at === 0 || at < found.length; at += PAGE) {
      await read();
      yield* eachCopied(found.slice(at, at + PAGE));
    }
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
      onCommit?.(commit.ops.length === 0);
      return queue.commit(commit);
    },
    watch: topics.watch,
    async backup(sink) {
      mustBeOpen();
      const all = disk.within({});
      return writeBackup({ schema: SCHEMA, rev: disk.lastRev }, eachCopied(all), sink);
    },
    health: async () => ({ writable: status === 'open' && queue.isOpen() }),
  };
}

async function* eachCopied(entries: readonly Entry[]): AsyncGenerator<Entry> {
  for (const entry of entries) yield copy(entry);
}

/** What a reader does to the bytes is not done to the disk. */
function copy({ key, value, rev }: Entry): Entry {
  return { key, value: Buffer.from(value), rev };
}
