/**
 * A slave's own files: the directories of its attempts with assignment and report, and the epoch.
 * Nothing of it is synced: a killed process finds all of it, a power cut leaves what was written
 * until some moment before.
 */
import { YardError } from '../../src/base/errors.ts';
import { decode, encode } from '../../src/protocol/codec.ts';
import { finishedReport } from '../../src/protocol/to-master.ts';
import { assignment as assignmentSchema } from '../../src/protocol/to-slave.ts';
import type { Artifact, AttemptKey, Workspace, Workspaces } from '../../src/slave/ports.ts';
import type { Spool } from '../../src/slave/spool.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';

interface File {
  bytes: Uint8Array;
  at: number;
}

interface Directory {
  madeAt: number;
  removedAt: number;
  assignment?: File;
  report?: File;
}

export interface Journal {
  readonly directories: ReadonlyMap<AttemptKey, Directory>;
  /** Attempts whose report the disk did not take. */
  readonly refused: ReadonlySet<AttemptKey>;
  /** How often something of it was lost: by a power cut, a new disk, another machine's disk. */
  readonly losses: number;
  spoolOf: (life: Life) => Spool;
  workspacesOf: (life: Life, fetchBundle: FetchBundle, collect: Collect) => Workspaces;
  setFull: (isFull: boolean) => void;
  /** The next write fails; whether it happened nobody knows. */
  failNext: () => void;
  /** It has room, and no failure is due any more. */
  heal: () => void;
  /** The highest of a master that it has noted. */
  readonly epoch: number;
  /** As if it had always been there. */
  noteEpoch: (value: number) => void;
  /** What could not be removed: it stays until somebody looks again. */
  readonly unremoved: ReadonlySet<AttemptKey>;
  /** The two machines get each other's disks. Call it while both are off. */
  swap: (other: Journal) => void;
  content: Content;
  /** Forgets what was written after a moment that is at most half a minute ago; gives it. */
  losePower: (draw: Draw) => number;
  wipe: () => void;
}

/** All that is on one disk. */
interface Content {
  directories: Map<AttemptKey, Directory>;
  /** So recently that a power cut may bring them back. */
  removed: Map<AttemptKey, Directory>;
  epochs: { value: number; at: number }[];
  drained: { value: boolean; at: number }[];
}

/** What the task of an attempt left to be kept; rejects if that is too much. */
export type Collect = (key: AttemptKey) => Promise<Artifact[]>;

export type FetchBundle = (bundle: string, signal: AbortSignal) => Promise<void>;

const UNSYNCED_US = 30e6;

export function workspaceAt(key: AttemptKey): Workspace {
  const root = `/attempts/${key}`;
  const files = {
    stdout: `${root}/stdout`,
    stderr: `${root}/stderr`,
    combined: `${root}/combined`,
  };
  return { root, cwd: `${root}/work`, artifactsDir: `${root}/artifacts`, files };
}

export function makeJournal(kernel: Kernel, draw: Draw): Journal {
  let disk = blank();
  let isFull = false;
  let isFailing = false;
  const refused = new Set<AttemptKey>();
  let losses = 0;
  const unremoved = new Set<AttemptKey>();

  /** Throws where the disk is full or fails; `act` is what happens otherwise, and perhaps then. */
  function writing(life: Life, act: () => void): void {
    if (!life.alive) return;
    if (isFull) throw new YardError('slave.disk', 'no space left on the simulated disk');
    const fails = isFailing;
    isFailing = false;
    if (!fails || draw.chance(0.5)) act();
    if (fails) throw new YardError('slave.disk', 'the simulated disk failed');
  }

  function write(life: Life, key: AttemptKey, name: 'assignment' | 'report', value: unknown): void {
    const directory = disk.directories.get(key);
    if (life.alive && !directory)
      throw new YardError('slave.disk', `there is no directory of ${key}`);
    writing(life, () => void (directory![name] = { bytes: encode(value), at: kernel.now }));
  }

  /** The last of them counts; those before it are what a power cut may leave. */
  function keepIn<T>(kept: { value: T; at: number }[], value: T): void {
    while (kept.length > 1 && kept[0]!.at < kernel.now - UNSYNCED_US) kept.shift();
    kept.push({ value, at: kernel.now });
  }

  function pause(us: number, life: Life): Promise<void> {
    return new Promise((resolve) => {
      kernel.after(us, KIND.disk, resolve, life);
    });
  }

  return {
    get directories() {
      return disk.directories;
    },
    refused,
    get losses() {
      return losses;
    },
    spoolOf: (life) => ({
      keepAssignment: async (key, assignment) => write(life, key, 'assignment', assignment),
      keepReport: async (key, report) => {
        refused.add(key);
        write(life, key, 'report', report);
        refused.delete(key);
      },
      async read(key) {
        const { assignment, report } = disk.directories.get(key) ?? {};
        return {
          assignment: assignment && assignmentSchema.parse(decode(assignment.bytes)),
          report: report && finishedReport.parse(decode(report.bytes)),
        };
      },
      keepEpoch: async (value) => writing(life, () => keepIn(disk.epochs, value)),
      readEpoch: async () => disk.epochs.at(-1)?.value ?? 0,
      keepDrained: async (value) => writing(life, () => keepIn(disk.drained, value)),
      readDrained: async () => disk.drained.at(-1)?.value ?? false,
    }),
    workspacesOf: (life, fetchBundle, collect) => ({
      async prepare(key, bundle, stopping) {
        stopping.throwIfAborted();
        if (!life.alive) return new Promise(() => {});
        const made = { madeAt: kernel.now, removedAt: Infinity };
        writing(life, () => void disk.directories.set(key, made));
        if (bundle === undefined) return workspaceAt(key);
        try {
          await fetchBundle(bundle, stopping.signal);
          stopping.throwIfAborted();
        } catch (error) {
          if (life.alive) disk.directories.delete(key);
          throw error;
        }
        return workspaceAt(key);
      },
      async collect({ root }) {
        await pause(draw.between(100, 2000), life);
        // As a disk fails that is read: nobody made an error of ours of it.
        if (isFailing) {
          isFailing = false;
          throw new Error('EIO: the simulated disk failed');
        }
        return collect(root.slice(root.lastIndexOf('/') + 1));
      },
      async remove(key) {
        await pause(draw.between(100, 2000), life);
        const directory = disk.directories.get(key);
        if (!directory) return;
        if (isFailing) {
          isFailing = false;
          unremoved.add(key);
          throw new Error('EIO: the simulated disk failed');
        }
        disk.directories.delete(key);
        directory.removedAt = kernel.now;
        for (const [old, { removedAt }] of disk.removed) {
          if (removedAt > kernel.now - UNSYNCED_US) break;
          disk.removed.delete(old);
        }
        disk.removed.set(key, directory);
      },
      async leftOver() {
        await pause(500, life);
        return [...disk.directories.keys()];
      },
    }),
    get epoch() {
      return disk.epochs.at(-1)?.value ?? 0;
    },
    noteEpoch: (value) => void (disk.epochs = [{ value, at: -Infinity }]),
    unremoved,
    setFull: (full) => void (isFull = full),
    failNext: () => void (isFailing = true),
    heal: () => void (isFull = isFailing = false),
    losePower(chance) {
      losses++;
      const cut = kernel.now - chance.float() * UNSYNCED_US;
      const left = new Map<AttemptKey, Directory>();
      for (const [key, directory] of [...disk.removed, ...disk.directories]) {
        if (directory.madeAt > cut || directory.removedAt <= cut) continue;
        const kept: Directory = { madeAt: directory.madeAt, removedAt: Infinity };
        const { assignment, report } = directory;
        if (assignment && assignment.at <= cut) kept.assignment = assignment;
        if (report && report.at <= cut) kept.report = report;
        left.set(key, kept);
      }
      disk = {
        directories: left,
        removed: new Map(),
        epochs: disk.epochs.filter(({ at }) => at <= cut),
        drained: disk.drained.filter(({ at }) => at <= cut),
      };
      return cut;
    },
    wipe() {
      losses++;
      disk = blank();
    },
    swap(other) {
      losses++;
      const theirs = other.content;
      other.content = disk;
      disk = theirs;
    },
    get content() {
      return disk;
    },
    set content(given) {
      losses++;
      disk = given;
    },
  };
}

function blank(): Content {
  return { directories: new Map(), removed: new Map(), epochs: [], drained: [] };
}
