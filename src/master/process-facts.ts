/** What devtools show of the master's process. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ProcessFacts } from './inspect/inspection.ts';

const LAG_RESOLUTION_MS = 20;

/** How late timers fire, in milliseconds. */
export function watchLag() {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  const lateMs = (ns: number) => Math.max(0, ns / 1e6 - LAG_RESOLUTION_MS);
  let last = { lagMs: 0, lagMaxMs: 0 };
  return {
    /** Of the last second. */
    view: () => last,
    /** Begins the next second; answers with the worst of the one before. */
    turn() {
      const isEmpty = !Number.isFinite(delay.mean);
      last = { lagMs: isEmpty ? 0 : lateMs(delay.mean), lagMaxMs: lateMs(delay.max) };
      delay.reset();
      return last.lagMaxMs;
    },
    stop: () => void delay.disable(),
  };
}

/** As they are now; `database` is the directory that the state's size is taken of. */
export async function factsOf(
  self: Pick<NodeJS.Process, 'version' | 'memoryUsage'>,
  database: string,
): Promise<Pick<ProcessFacts, 'node' | 'store' | 'memory'>> {
  const { rss: rssBytes, heapUsed: heapUsedBytes } = self.memoryUsage();
  return {
    node: self.version,
    store: { kind: 'leveldb', bytes: await bytesIn(database) },
    memory: { rssBytes, heapUsedBytes },
  };
}

/** Files come and go while they are counted: what is gone counts for nothing. */
async function bytesIn(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const sizes = names.map((name) =>
    stat(join(directory, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
