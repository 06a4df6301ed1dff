/**
 * A slave's own files: the directories of its attempts with assignment and report, and the epoch.
 * Nothing of it is synced: a killed process finds all of it, a power cut leaves what was written
 * until some moment before.
 */
import { YardError } from '../../src/base/errors.ts';
import { decode, encode } from '../../src/protocol/codec.ts';
import { finishedReport } from '../../src/protocol/to-master.ts';
import { assignment as assignmentSchema } from '../../src/protocol/to-slave.ts';
import type { AttemptKey, Workspace, Workspaces } from '../../src/slave/ports.ts';
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
  spoolOf: (life: Life) => Spool;
  workspacesOf: (life: Life, fetchBundle: FetchBundle) => Workspaces;
  setFull: (isFull: boolean) => void;
  /** Forgets what was written after a moment that is at most half a minute ago; gives it. */
  losePower: (draw: Draw) => number;
  wipe: () => void;
}

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
  let directories = new Map<AttemptKey, Directory>();
  /** Removed so recently that a power cut may bring them back. */
  let removed = new Map<AttemptKey, Directory>();
  let epochs: { value: number; at: number }[] = [];
  let drained: { value: boolean; at: number }[] = [];
  let isFull = false;

  function write(life: Life, key: AttemptKey, name: 'assignment' | 'report', value: unknown): void {
    if (!life.alive) return;
    if (isFull) throw new YardError('slave.disk', 'no space left on the simulated disk');
    const directory = directories.get(key);
    if (!directory) throw new YardError('slave.disk', `there is no directory of ${key}`);
    directory[name] = { bytes: encode(value), at: kernel.now };
  }

  function pause(us: number, life: Life): Promise<void> {
    return new Promise((resolve) => {
      kernel.after(us, KIND.disk, resolve, life);
    });
  }

  return {
    get directories() {
      return directories;
    },
    spoolOf: (life) => ({
      keepAssignment: async (key, assignment) => write(life, key, 'assignment', assignment),
      keepReport: async (key, report) => write(life, key, 'report', report),
      async read(key) {
        const { assignment, report } = directories.get(key) ?? {};
        return {
          assignment: assignment && assignmentSchema.parse(decode(assignment.bytes)),
          report: report && finishedReport.parse(decode(report.bytes)),
        };
      },
      async keepEpoch(value) {
        if (!life.alive) return;
        epochs = epochs.filter(
          ({ at }, i) => at > kernel.now - UNSYNCED_US || i >= epochs.length - 1,
        );
        epochs.push({ value, at: kernel.now });
      },
      readEpoch: async () => epochs.at(-1)?.value ?? 0,
      async keepDrained(value) {
        if (!life.alive) return;
        if (isFull) throw new YardError('slave.disk', 'no space left on the simulated disk');
        drained = [
          ...drained.filter(
            ({ at }, i) => at > kernel.now - UNSYNCED_US || i >= drained.length - 1,
          ),
          { value, at: kernel.now },
        ];
      },
      readDrained: async () => drained.at(-1)?.value ?? false,
    }),
    workspacesOf: (life, fetchBundle) => ({
      async prepare(key, bundle, signal) {
        signal.throwIfAborted();
        if (isFull) throw new YardError('slave.disk', 'no space left on the simulated disk');
        if (!life.alive) return new Promise(() => {});
        directories.set(key, { madeAt: kernel.now, removedAt: Infinity });
        if (bundle === undefined) return workspaceAt(key);
        try {
          await fetchBundle(bundle, signal);
          signal.throwIfAborted();
        } catch (error) {
          if (life.alive) directories.delete(key);
          throw error;
        }
        return workspaceAt(key);
      },
      collect: async () => [],
      async remove(key) {
        await pause(draw.between(100, 2000), life);
        const directory = directories.get(key);
        if (!directory) return;
        directories.delete(key);
        directory.removedAt = kernel.now;
        for (const [old, { removedAt }] of removed) {
          if (removedAt > kernel.now - UNSYNCED_US) break;
          removed.delete(old);
        }
        removed.set(key, directory);
      },
      async leftOver() {
        await pause(500, life);
        return [...directories.keys()];
      },
    }),
    setFull: (full) => void (isFull = full),
    losePower(chance) {
      const cut = kernel.now - chance.float() * UNSYNCED_US;
      const left = new Map<AttemptKey, Directory>();
      for (const [key, directory] of [...removed, ...directories]) {
        if (directory.madeAt > cut || directory.removedAt <= cut) continue;
        const kept: Directory = { madeAt: directory.madeAt, removedAt: Infinity };
        const { assignment, report } = directory;
        if (assignment && assignment.at <= cut) kept.assignment = assignment;
        if (report && report.at <= cut) kept.report = report;
        left.set(key, kept);
      }
      directories = left;
      removed = new Map();
      epochs = epochs.filter(({ at }) => at <= cut);
      drained = drained.filter(({ at }) => at <= cut);
      return cut;
    },
    wipe() {
      directories = new Map();
      removed = new Map();
      epochs = [];
      drained = [];
    },
  };
}
