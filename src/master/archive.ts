/** What the store holds of runs, read back: origins, snapshots and, beside them, history. */
import { YardError } from '../base/errors.ts';
import { makeHistory } from './history.ts';
import type { History } from './history.ts';
import { keys } from './records.ts';
import type { RunOrigin, RunRecord } from './records.ts';
import { unpackOrigin, unpackRun } from './rows.ts';
import type { Entry, StateStore } from './store/port.ts';

export interface Archive extends History {
  /** Keeps a packed origin at hand that will be asked for, as far as there is room. */
  keepAtHand: (runId: string, origin: Uint8Array) => void;
  /** Takes what is at hand away: it is asked for once. */
  takeOrigin: (runId: string) => RunOrigin | Promise<RunOrigin>;
  /** undefined: no such run. */
  findOrigin: (runId: string) => Promise<RunOrigin | undefined>;
  findDone: (runId: string) => Promise<RunRecord | undefined>;
  /** All that is not done, in the order of submission. */
  liveRuns: () => AsyncGenerator<RunRecord>;
  /** All there is, newest first; from the first one submitted before `before` on. */
  newestFirst: (before?: string) => AsyncGenerator<RunRecord>;
}

/** Enough for some ten thousand plain requests. */
const AT_HAND_BYTES_MAX = 4 * 2 ** 20;
const PAGE = 1000;
const NEWEST_PAGE = 50;

export function makeArchive(store: StateStore): Archive {
  const atHand = makeShelf(AT_HAND_BYTES_MAX);
  const readOrigin = inBatches((ids) => store.getMany(ids.map(keys.origin)));

  async function findOrigin(runId: string): Promise<RunOrigin | undefined> {
    const entry = await readOrigin(runId);
    return entry && unpackOrigin(entry.value);
  }

  async function requireOrigin(runId: string): Promise<RunOrigin> {
    const origin = await findOrigin(runId);
    if (!origin) throw new YardError('store.corrupt', `run ${runId} has no origin`);
    return origin;
  }

  async function withOrigins(page: readonly Entry[]): Promise<RunRecord[]> {
    const ids = page.map(({ key }) => key.slice(key.indexOf('/') + 1));
    const origins = await Promise.all(ids.map(requireOrigin));
    return page.map(({ value }, index) => unpackRun(value, origins[index]!));
  }

  async function* inPages(entries: AsyncIterable<Entry>, size: number) {
    let page: Entry[] = [];
    for await (const entry of entries) {
      page.push(entry);
      if (page.length < size) continue;
      yield* await withOrigins(page);
      page = [];
    }
    yield* await withOrigins(page);
  }

  return {
    keepAtHand: atHand.put,
    takeOrigin(runId) {
      const bytes = atHand.take(runId);
      return bytes ? unpackOrigin(bytes) : requireOrigin(runId);
    },
    findOrigin,
    async findDone(runId) {
      const entry = await store.get(keys.done(runId));
      return entry && unpackRun(entry.value, await requireOrigin(runId));
    },
    liveRuns: () => inPages(store.scan({ gte: 'live/', lt: 'live0' }), PAGE),
    async *newestFirst(before) {
      const upTo = (prefix: string) =>
        before === undefined ? `${prefix}0` : `${prefix}/${before}`;
      // A run moves from one to the other and never back, so the live ones are looked at first.
      const scan = (prefix: string) =>
        store.scan({ gte: `${prefix}/`, lt: upTo(prefix), reverse: true })[Symbol.asyncIterator]();
      const live = scan('live');
      const first = await live.next();
      const done = scan('done');
      yield* inPages(merged(first, live, done), NEWEST_PAGE);
    },
    ...makeHistory(store),
  };
}

/** Bytes by name, up to so many; the eldest make room. */
function makeShelf(bytesMax: number) {
  const shelf = new Map<string, Uint8Array>();
  let total = 0;

  function take(name: string): Uint8Array | undefined {
    const bytes = shelf.get(name);
    total -= bytes?.length ?? 0;
    shelf.delete(name);
    return bytes;
  }

  function put(name: string, bytes: Uint8Array): void {
    shelf.set(name, bytes);
    total += bytes.length;
    // A map keeps the places of what left it: to look for its first is not free.
    if (total <= bytesMax) return;
    for (const eldest of shelf.keys()) {
      if (total <= bytesMax) break;
      take(eldest);
    }
  }

  return { put, take };
}

/** Two descending lists of runs as one; a run that is in both is taken from the second. */
async function* merged(
  first: IteratorResult<Entry>,
  live: AsyncIterator<Entry>,
  done: AsyncIterator<Entry>,
): AsyncGenerator<Entry> {
  const idOf = ({ key }: Entry) => key.slice(key.indexOf('/') + 1);
  try {
    let [a, b] = [first, await done.next()];
    while (!a.done || !b.done) {
      if (b.done || (!a.done && idOf(a.value) > idOf(b.value))) {
        yield (a as IteratorYieldResult<Entry>).value;
        a = await live.next();
        continue;
      }
      if (!a.done && idOf(a.value) === idOf(b.value)) a = await live.next();
      yield b.value;
      b = await done.next();
    }
  } finally {
    await live.return?.();
    await done.return?.();
  }
}

/** What is asked for within one turn is read at once. */
function inBatches<T>(read: (ids: string[]) => Promise<T[]>): (id: string) => Promise<T> {
  let batch: { ids: string[]; found: Promise<T[]> } | undefined;
  return async (id) => {
    if (!batch) {
      const ids: string[] = [];
      const opened = { ids, found: Promise.resolve().then(() => ((batch = undefined), read(ids))) };
      batch = opened;
    }
    const { ids, found } = batch;
    const place = ids.push(id) - 1;
    return (await found)[place]!;
  };
}
