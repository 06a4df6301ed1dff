import type { Clock } from '../../base/clock.ts';
import { assert } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { isFsBundleId } from '../../protocol/bundle-ref.ts';
import { untilReached } from '../patience.ts';
import { shareWork } from './abort.ts';
import { discardTree, growTree, isWhole, survivingTrees, touch, treeOf } from './cached-trees.ts';
import type { TreeMarker } from './cached-trees.ts';

/** Where archives of bundles come from; what they hold is checked here, whoever serves them. */
export interface BundleSource {
  /** The archive's bytes; has to fail, also while they are read, once `signal` is aborted. */
  open: (id: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
}

export interface BundleCache {
  /** The bundle's tree, whole and verified; to be read only, and only until it is released. */
  get: (id: string, signal: AbortSignal) => Promise<HeldTree>;
}

export interface HeldTree {
  dir: string;
  /** Call once; then the tree may be evicted. */
  release: () => Promise<void>;
}

export interface BundleCacheOptions {
  dir: string;
  source: BundleSource;
  clock: Clock;
  log: Log;
  /** Of disk, about, before what was not used for longest goes; what is in use stays. */
  bytesMax?: number;
}

const CACHE_BYTES_MAX = 10 * 2 ** 30;
/** What an entry takes on disk beside its content, about. */
const ENTRY_BYTES = 4096;

export async function openBundleCache(options: BundleCacheOptions): Promise<BundleCache> {
  const { dir, source, clock, log, bytesMax = CACHE_BYTES_MAX } = options;
  const shelf = makeShelf(bytesMax);
  for (const marker of await survivingTrees(dir)) shelf.put(marker, { checked: false });

  /** Makes `id` a checked tree: by counting what an earlier process left, or by fetching. */
  const load = shareWork(async (id, signal) => {
    const left = shelf.find(id);
    if (left) {
      const whole = await isWhole(dir, left.marker);
      signal.throwIfAborted();
      if (whole) return void (left.checked = true);
      log.warn({ bundle: id }, 'a cached bundle is damaged and is fetched again');
      shelf.drop(id);
      await discardTree(dir, id);
    }
    const startedAt = clock.now();
    const fetch = async () => growTree(dir, id, await source.open(id, signal), signal);
    const marker = await untilReached(clock, fetch, signal);
    shelf.put(marker, { checked: true });
    log.info(
      { bundle: id, bytes: marker.bytes, tookMs: clock.now() - startedAt },
      'bundle fetched',
    );
  });

  async function evict(): Promise<void> {
    const goes = shelf.takeSurplus();
    if (goes.length === 0) return;
    await Promise.all(goes.map((id) => discardTree(dir, id)));
    log.info({ bundles: goes }, 'bundles evicted');
  }

  function hold(kept: Kept): HeldTree {
    let held = true;
    shelf.use(kept);
    return {
      dir: treeOf(dir, kept.marker.id),
      async release() {
        assert(held, `bundle ${kept.marker.id} is released once`);
        held = false;
        kept.uses--;
        await evict();
      },
    };
  }

  return {
    async get(id, signal) {
      assert(isFsBundleId(id), `${id} is a bundle's id`);
      for (;;) {
        signal.throwIfAborted();
        const kept = shelf.find(id);
        if (!kept?.checked) {
          await load(id, signal);
          continue;
        }
        const tree = hold(kept);
        if (await touch(dir, id, clock.wall())) {
          await evict();
          return tree;
        }
        kept.checked = false;
        await tree.release();
      }
    },
  };
}

interface Kept {
  marker: TreeMarker;
  uses: number;
  /** Its files were written, or counted, by this process. */
  checked: boolean;
}

/** The account of what is on disk, in the order of use, the longest unused first. */
function makeShelf(bytesMax: number) {
  const all = new Map<string, Kept>();
  return {
    find: (id: string) => all.get(id),
    drop: (id: string) => void all.delete(id),
    put(marker: TreeMarker, { checked }: { checked: boolean }): void {
      if (!all.has(marker.id)) all.set(marker.id, { marker, uses: 0, checked });
    },
    use(kept: Kept): void {
      kept.uses++;
      all.delete(kept.marker.id);
      all.set(kept.marker.id, kept);
    },
    /** Forgets what has to go so that the rest keeps the limit, as far as it is not in use. */
    takeSurplus(): string[] {
      let total = 0;
      for (const { marker } of all.values()) total += diskBytes(marker);
      const goes: string[] = [];
      for (const [id, { marker, uses }] of all) {
        if (total <= bytesMax) break;
        if (uses > 0) continue;
        total -= diskBytes(marker);
        all.delete(id);
        goes.push(id);
      }
      return goes;
    },
  };
}

function diskBytes({ entries, bytes }: TreeMarker): number {
  return bytes + entries * ENTRY_BYTES;
}
