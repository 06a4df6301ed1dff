/**
 * The store, as a port: one ordered key space with atomic, fenced commits, and one for blobs
 * (secops.md part 8). LevelDB and memory implement it today; every adapter passes one conformance
 * suite. Expected failures are `YardError`s with codes `store.…`; bytes are opaque here, the codec
 * is above the port.
 */
import type { Readable } from 'node:stream';

/**
 * 1 to 1,024 characters, compared by their UTF-8 bytes. Well-formed, and the first is not NUL: those
 * keys are the store's own.
 */
export type Key = string;

/**
 * Number of a commit, counted without gaps; every key carries that of its last write. 0: absent.
 * Each commit has its own, also when many are synced together: otherwise a guard could not tell
 * two writes of one group apart.
 */
export type Rev = number;

export interface Entry {
  readonly key: Key;
  readonly value: Uint8Array;
  readonly rev: Rev;
}

export interface Range {
  gte?: Key;
  lt?: Key;
  reverse?: boolean;
  limit?: number;
}

export type Op = { put: Key; value: Uint8Array } | { del: Key };

export interface Guard {
  key: Key;
  /** What the key's rev must be; 0: it must be absent. */
  rev: Rev;
}

/** Minted only by `leases.acquire`; the epoch grows each time the shard changes hands. */
export interface Fence {
  readonly shard: string;
  readonly epoch: number;
}

export interface Commit {
  /** Checked inside the same atomic write, never before it. */
  fence: Fence;
  /** All must hold or nothing is written; they see what was queued before, synced or not. */
  guards?: readonly Guard[];
  /** All or none, in order. The bytes must not change until the commit has resolved. */
  ops: readonly Op[];
  /** Woken after the commit; a hint, never the data. */
  notify?: readonly string[];
}

export type CommitResult =
  /** A commit without ops gets the number of the one before it. */
  | { ok: true; rev: Rev }
  /** The caller must stop its actors and exit. */
  | { ok: false; why: 'deposed'; epoch: number }
  /** The caller re-reads and decides again. */
  | { ok: false; why: 'conflict'; key: Key; rev: Rev };

export interface Leases {
  /**
   * undefined: held by another. Where one process owns the store, it always succeeds, and the
   * holder before is deposed: the raised epoch is on disk when this resolves.
   */
  acquire: (shard: string, holder: string, ttlMs: number) => Promise<Fence | undefined>;
  /** false: deposed. */
  renew: (fence: Fence, ttlMs: number) => Promise<boolean>;
  release: (fence: Fence) => Promise<void>;
}

export interface StateStore {
  readonly caps: { shared: boolean; valueBytesMax: number; opsMax: number };
  readonly leases: Leases;
  open: () => Promise<void>;
  close: () => Promise<void>;
  get: (key: Key) => Promise<Entry | undefined>;
  getMany: (keys: readonly Key[]) => Promise<(Entry | undefined)[]>;
  /** One snapshot per call, taken when the first entry is asked for. */
  scan: (range: Range) => AsyncIterable<Entry>;
  /**
   * Up to n entries that nobody else took in the last second, or that were written since. Advisory:
   * the commit's guards decide.
   */
  take: (range: Range, n: number) => Promise<Entry[]>;
  /**
   * Queues at once, in call order; resolves, in that order, when its group is synced to disk. A
   * failed write fails this and all later commits: the store is then of unknown content.
   */
  commit: (commit: Commit) => Promise<CommitResult>;
  /**
   * Yields after each matching notify since this call; may yield spuriously and joins those that
   * come close together; ends on the signal.
   */
  watch: (topic: string, signal: AbortSignal) => AsyncIterable<void>;
  /** Streams one snapshot while writes go on, in the format of `backup.ts`. */
  backup: (sink: (chunk: Uint8Array) => Promise<void>) => Promise<BackupManifest>;
  health: () => Promise<{ writable: boolean; freeBytes?: number }>;
}

export interface BackupManifest {
  schema: number;
  rev: Rev;
  entries: number;
  /** Hex digest of the stream. */
  sha256: string;
}

export interface BlobManifest {
  bytes: number;
  sha256: string;
}

/** Outputs, bundles, artifacts. Keys are `/`-separated segments, each of `[A-Za-z0-9._+-]`. */
export interface BlobStore {
  /** Create-only; the same bytes again are fine, other bytes are `blob.exists`. */
  put: (
    key: Key,
    body: AsyncIterable<Uint8Array>,
    limits: { sha256?: string; bytesMax: number },
  ) => Promise<BlobManifest>;
  /**
   * Appends to an open blob. An offset past the end is `output.offset`; bytes that it already holds
   * are skipped, so that a repeated call is no error. `output.closed` once sealed. What is new of
   * it begins at `from`, which is `size` where nothing is.
   */
  append: (key: Key, offset: number, bytes: Uint8Array) => Promise<{ size: number; from: number }>;
  /**
   * Checks length and digest (`output.digest`), syncs to disk; nothing can be appended afterwards.
   * The same manifest again is fine.
   */
  seal: (key: Key, manifest: BlobManifest) => Promise<void>;
  /** Writes and seals at once, for bytes that came inline. The same bytes again are fine. */
  putSmall: (key: Key, bytes: Uint8Array) => Promise<BlobManifest>;
  stat: (key: Key) => Promise<{ bytes: number; sealed: boolean } | undefined>;
  /** `to` is exclusive. Rejects with `output.unknown` for a key that is not there. */
  get: (key: Key, range?: { from: number; to?: number }) => Promise<Readable>;
  /** Resolves after the next append to or seal of that key in this process, or on the signal. */
  grown: (key: Key, signal: AbortSignal) => Promise<void>;
  /** Removes the blob, or everything below `key/`. */
  remove: (key: Key) => Promise<void>;
  close: () => Promise<void>;
}
