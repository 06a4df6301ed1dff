/**
 * What the slave needs of its machine, as ports. Production: processes under resident shells,
 * files, HTTP. Simulation: a machine of its own, whose processes outlive the slave's process.
 */
import type { LateAbort } from '../base/late-abort.ts';
import type { Stream } from '../protocol/outputs.ts';
import type { Isolation } from '../protocol/run.ts';

/** Names one try everywhere on the slave: `<run id>.<attempt number>`. */
export type AttemptKey = string;

/** How a process ended: with its exit status, by a signal, or by never starting. */
export type ProcessEnd =
  | { kind: 'exited'; code: number }
  | { kind: 'signalled'; signal: string }
  | { kind: 'unstartable'; why: string };

export interface ProcessSpec {
  key: AttemptKey;
  argv: readonly string[];
  /** The whole environment; nothing of the slave's own is added. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Absolute paths, appended to; made if absent. */
  stdout: string;
  stderr: string;
  isolation: Isolation;
}

export interface ProcessEvents {
  started: (pid: number | undefined) => void;
  /** Once, when the process itself has ended; what it left behind may still live. */
  ended: (end: ProcessEnd) => void;
}

export interface Executor {
  /** What this machine can do, found by trying it. */
  readonly isolations: readonly Isolation[];
  start: (spec: ProcessSpec, on: ProcessEvents) => void;
  /**
   * Kills the whole tree once `ms` are over, also when this process is gone by then; a later call
   * moves that on. Unknown key, or one that has ended: nothing.
   */
  guard: (key: AttemptKey, ms: number) => void;
  /** Signals the whole process tree, descendants that left the group too. Unknown key: nothing. */
  signal: (key: AttemptKey, signal: 'SIGTERM' | 'SIGKILL') => void;
  /**
   * After the end: gives what was left behind up to `drainMs` to end by itself, then kills it.
   * Resolves with how many processes were left behind at the end; the tree is then empty.
   */
  settle: (key: AttemptKey, drainMs: number) => Promise<number>;
  /** After a restart of the slave: takes over what an earlier process of it started under `keys`. */
  adopt: (
    keys: readonly AttemptKey[],
    on: (key: AttemptKey) => ProcessEvents,
  ) => Promise<Adopted[]>;
  /** Ends the executor's own helpers; processes of tasks are left alone. */
  close: () => Promise<void>;
}

/** running: events follow; ended: its exit was on disk; gone: nobody can say how it ended. */
export interface Adopted {
  key: AttemptKey;
  state: 'running' | 'ended' | 'gone';
}

/** What is known of one stream when nothing more can be written to it. */
export interface StreamManifest {
  bytes: number;
  /** Hex digest of exactly these bytes. */
  sha256: string;
  /** Bytes that the limit dropped; the stream then ends with a line that says so. */
  droppedBytes: number;
}

export interface OutputTail {
  /** On the slave's monotonic clock: when a byte was last seen; for the no-output timeout. */
  readonly lastOutputAt: number;
  /**
   * Call after the process tree is empty: reads the rest; waits for nothing remote. The file
   * `combined` is then complete; it is not made if nothing was written.
   */
  finish: (options?: { inlineMax?: number }) => Promise<FinishedOutputs>;
  /**
   * After `finish`: resolves when the sink has every byte. At once if the bytes were handed back
   * inline. Rejects with `output.stopped` if `stop` comes first.
   */
  flushed: () => Promise<void>;
  /** Stops watching and sending, without reading on; what was finished stays on disk. */
  stop: () => void;
}

export interface FinishedOutputs {
  /** Name every byte, the line about dropped ones included. */
  manifests: Record<Stream, StreamManifest>;
  /**
   * All bytes, if the three streams together hold at most `inlineMax` and none was sent: nothing
   * will be, the caller hands them on.
   */
  inline?: Record<Stream, Uint8Array>;
}

export interface Outputs {
  /**
   * Watches the files of a started process, makes `combined`, sends growth on, holds the limit
   * for each stream. After a restart, `sinkSizes` says what the sink already has; the files are
   * then taken up where they were left.
   */
  follow: (
    key: AttemptKey,
    files: Record<Stream, string>,
    limitBytes: number,
    sinkSizes?: Partial<Record<Stream, number>>,
  ) => OutputTail;
}

/** Where output bytes go as they appear; resumable by offset. */
export interface OutputSink {
  /**
   * Calls for one stream come one after the other and without gaps. A call that failed is
   * repeated until it succeeds, so bytes that the sink already has must be no error.
   */
  append: (key: AttemptKey, stream: Stream, offset: number, bytes: Uint8Array) => Promise<void>;
}

/** A fresh directory tree for one attempt; mode 0700. */
export interface Workspace {
  /** The directory of the attempt on the slave: streams, exit status, artifacts, work. */
  root: string;
  /** Where the process starts: empty, or holding the bundle's tree. */
  cwd: string;
  artifactsDir: string;
  files: Record<Stream, string>;
}

export interface Artifact {
  /** Relative path below the artifacts directory, with `/`. */
  name: string;
  bytes: number;
  sha256: string;
  path: string;
}

export interface Workspaces {
  prepare: (key: AttemptKey, bundle: string | undefined, stopping: LateAbort) => Promise<Workspace>;
  /** The regular files below the artifacts directory; links and oddities are left out. */
  collect: (workspace: Workspace) => Promise<Artifact[]>;
  remove: (key: AttemptKey) => Promise<void>;
  /** Keys whose directories are still there from an earlier process of this slave. */
  leftOver: () => Promise<AttemptKey[]>;
}
