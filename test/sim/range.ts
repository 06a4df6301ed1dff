/** Plays a range of seeds, on one processor or on several: what comes out is the same. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Hits } from './hits.ts';
import { playSeed } from './play.ts';
import type { PlayOptions } from './play.ts';
import type { Outcome, Violation } from './world.ts';

export interface RangeOptions extends PlayOptions {
  from: number;
  to: number;
  /** Processes; 1: this one. */
  workers: number;
  /** Go on after a seed that failed. */
  keepsGoing: boolean;
}

/** How one seed went. */
export type SeedReport = Omit<Outcome, 'timeline'> & { hits: Hits };

export interface RangeReport {
  seeds: number;
  events: number;
  faults: number;
  runs: number;
  clusterHours: number;
  /** Of processors, without the start of processes. */
  cpuSeconds: number;
  /** Over the traces of all seeds, in order. */
  hash: string;
  failed: { seed: string; violations: Violation[] }[];
  /** How often what is known to be open was seen, by oracle. */
  open: Record<string, number>;
  /** What faults struck, if it was asked for. */
  hits: Hits;
}

/** What a worker is asked, and what it answers. */
export interface Chunk {
  from: number;
  to: number;
}
export interface ChunkReport {
  reports: SeedReport[];
  cpuSeconds: number;
}

const CHUNK = 50;
/** Built: the tests, which run the sources, play on one processor. */
const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));

/** `onProgress` hears how many seeds of the range are played. */
export async function playRange(
  options: RangeOptions,
  onProgress: (seeds: number, failed: number) => void = () => {},
): Promise<RangeReport> {
  const chunks = chunksOf(options);
  const done: ChunkReport[] = [];
  const progress = { seeds: 0, failed: 0, isOver: false };

  function take(index: number, report: ChunkReport): void {
    done[index] = report;
    progress.seeds += report.reports.length;
    progress.failed += report.reports.filter(hasFailed).length;
    if (progress.failed > 0 && !options.keepsGoing) progress.isOver = true;
    onProgress(progress.seeds, progress.failed);
  }

  // Chunks are begun in order: when one fails, all before it have been begun and will be ended.
  let next = 0;
  const nextIndex = () => (progress.isOver || next === chunks.length ? undefined : next++);
  if (options.workers <= 1) {
    for (let index = nextIndex(); index !== undefined; index = nextIndex()) {
      take(index, await playChunk(chunks[index]!, options));
    }
  } else {
    const count = Math.min(options.workers, chunks.length);
    const each = Array.from({ length: count }, () => employ(options, chunks, nextIndex, take));
    await Promise.all(each);
  }
  return sumUp(done, options.keepsGoing);
}

/** Plays one chunk; unless told to keep going, no further than to the first seed that fails. */
export async function playChunk(
  { from, to }: Chunk,
  options: PlayOptions & { keepsGoing: boolean },
): Promise<ChunkReport> {
  const startedAt = process.cpuUsage();
  const reports: SeedReport[] = [];
  for (let seed = from; seed <= to; seed++) {
    const { timeline: _, ...report } = await playSeed(seed, options);
    reports.push(report);
    if (hasFailed(report) && !options.keepsGoing) break;
  }
  const { user, system } = process.cpuUsage(startedAt);
  return { reports, cpuSeconds: (user + system) / 1e6 };
}

function hasFailed({ violations }: SeedReport): boolean {
  return violations.length > 0;
}

function chunksOf({ from, to }: RangeOptions): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = from; at <= to; at += CHUNK) {
    chunks.push({ from: at, to: Math.min(to, at + CHUNK - 1) });
  }
  return chunks;
}

/** One process that plays chunk after chunk. */
function employ(
  options: RangeOptions,
  chunks: readonly Chunk[],
  nextIndex: () => number | undefined,
  take: (index: number, report: ChunkReport) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [JSON.stringify(options)], { serialization: 'advanced' });
    let index: number | undefined;
    const give = () => {
      index = nextIndex();
      if (index === undefined) child.disconnect();
      else child.send(chunks[index]!);
    };
    child.on('message', (report) => {
      take(index!, report as ChunkReport);
      give();
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (index === undefined) return resolve();
      const { from, to } = chunks[index]!;
      reject(new Error(`the process that played seeds ${from}..${to} ended: ${signal ?? code}`));
    });
    give();
  });
}

/** In the order of the seeds, and no further than a run on one processor would have come. */
function sumUp(chunks: readonly ChunkReport[], keepsGoing: boolean): RangeReport {
  const hash = createHash('sha256');
  const sum: RangeReport = {
    seeds: 0,
    events: 0,
    faults: 0,
    runs: 0,
    clusterHours: 0,
    cpuSeconds: chunks.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0),
    hash: '',
    failed: [],
    open: {},
    hits: {},
  };
  for (const report of chunks.flatMap(({ reports }) => reports)) {
    sum.seeds++;
    sum.events += report.events;
    sum.faults += report.faults;
    sum.runs += report.runs;
    sum.clusterHours += report.virtualMs / 3_600_000;
    hash.update(report.hash);
    for (const { oracle } of report.open) sum.open[oracle] = (sum.open[oracle] ?? 0) + 1;
    for (const [key, times] of Object.entries(report.hits)) {
      sum.hits[key] = (sum.hits[key] ?? 0) + times;
    }
    if (!hasFailed(report)) continue;
    sum.failed.push({ seed: report.seed, violations: report.violations });
    if (!keepsGoing) break;
  }
  return { ...sum, hash: hash.digest('hex').slice(0, 16) };
}
