/** The master's blobs on its disk: what was appended is not synced before it is sealed. */
import { Readable } from 'node:stream';
import { YardError } from '../../src/base/errors.ts';
import { sha256Of } from '../../src/base/sha256.ts';
import type { BlobManifest, BlobStore, Key } from '../../src/master/store/port.ts';
import type { Disk } from './disk.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';

interface Blob {
  bytes: Uint8Array;
  /** How much of it a power cut leaves for certain. */
  synced: number;
  sealed: BlobManifest | undefined;
}

export interface BlobDisk {
  find: (key: Key) => Readonly<Blob> | undefined;
  readonly all: Map<Key, Blob>;
  /** Drops a part of what was never synced. */
  losePower: (draw: Draw) => void;
}

export function makeBlobDisk(): BlobDisk {
  const all = new Map<Key, Blob>();
  return {
    all,
    find: (key) => all.get(key),
    losePower(draw) {
      for (const [key, blob] of all) {
        if (blob.sealed) continue;
        const left = draw.int(blob.synced, blob.bytes.length);
        if (left === 0) all.delete(key);
        else blob.bytes = blob.bytes.subarray(0, left);
      }
    },
  };
}

export interface SimBlobsOptions {
  blobs: BlobDisk;
  disk: Disk;
  kernel: Kernel;
  life: Life;
  onAppend?: (key: Key, offset: number, bytes: Uint8Array, size: number) => void;
}

/** The blob port for one process of the master. */
export function makeSimBlobs(options: SimBlobsOptions): BlobStore {
  const { blobs, disk, kernel, life } = options;
  const waiting = new Map<Key, Set<() => void>>();

  function wait(us: number): Promise<void> {
    return new Promise((resolve) => {
      kernel.after(us, KIND.blob, resolve, life);
    });
  }

  function mustBeWritable(): void {
    if (!life.alive) throw new YardError('store.closed', 'this process is gone');
    if (disk.isFull) throw new YardError('store.full', 'no space left on the simulated disk');
  }

  function wake(key: Key): void {
    const waiters = waiting.get(key);
    waiting.delete(key);
    for (const resolve of waiters ?? []) resolve();
  }

  async function putWhole(
    key: Key,
    bytes: Uint8Array,
    sha256: string | undefined,
  ): Promise<BlobManifest> {
    const manifest = { bytes: bytes.length, sha256: sha256Of(bytes) };
    await wait(disk.syncUs());
    mustBeWritable();
    if (sha256 !== undefined && sha256 !== manifest.sha256) {
      throw new YardError('blob.digest', `${key} is not what was promised`);
    }
    const held = blobs.all.get(key);
    if (held?.sealed) {
      if (held.sealed.sha256 === manifest.sha256) return manifest;
      throw new YardError('blob.exists', `${key} is there with other bytes`);
    }
    blobs.all.set(key, { bytes: bytes.slice(), synced: bytes.length, sealed: manifest });
    wake(key);
    return manifest;
  }

  return {
    async put(key, body, { sha256, bytesMax }) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      if (bytes.length > bytesMax) throw new YardError('blob.too_large', `${key} is too large`);
      return putWhole(key, bytes, sha256);
    },
    async append(key, offset, bytes) {
      const given = bytes.slice();
      await wait(disk.readUs());
      mustBeWritable();
      const blob = blobs.all.get(key) ?? { bytes: NOTHING, synced: 0, sealed: undefined };
      const size = blob.bytes.length;
      if (offset > size) throw new YardError('output.offset', `${offset} is past the end, ${size}`);
      const fresh = given.subarray(Math.min(given.length, size - offset));
      if (fresh.length === 0) return { size, from: size };
      if (blob.sealed) throw new YardError('output.closed', `${key} is complete`);
      options.onAppend?.(key, offset, given, size);
      blob.bytes = Buffer.concat([blob.bytes, fresh]);
      blobs.all.set(key, blob);
      wake(key);
      return { size: blob.bytes.length, from: size };
    },
    async seal(key, manifest) {
      await wait(disk.syncUs());
      mustBeWritable();
      const blob = blobs.all.get(key);
      if (!blob) throw new YardError('output.unknown', `there is no ${key}`);
      const held = blob.sealed ?? { bytes: blob.bytes.length, sha256: sha256Of(blob.bytes) };
      if (held.bytes !== manifest.bytes || held.sha256 !== manifest.sha256) {
        throw new YardError('output.digest', `${key} is not what was promised`);
      }
      blob.sealed = held;
      blob.synced = held.bytes;
      wake(key);
    },
    putSmall: (key, bytes) => putWhole(key, bytes, undefined),
    async stat(key) {
      // As it was when the disk was asked: much may happen before the answer is read.
      const blob = blobs.all.get(key);
      const found = blob && { bytes: blob.bytes.length, sealed: blob.sealed !== undefined };
      await wait(disk.readUs());
      return found;
    },
    async get(key, range) {
      await wait(disk.readUs());
      const blob = blobs.all.get(key);
      if (!blob) throw new YardError('output.unknown', `there is no ${key}`);
      return Readable.from([Buffer.from(blob.bytes.subarray(range?.from, range?.to))]);
    },
    grown(key, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve();
        waiting.set(key, (waiting.get(key) ?? new Set()).add(resolve));
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
    async remove(key) {
      await wait(disk.readUs());
      mustBeWritable();
      for (const known of blobs.all.keys()) {
        if (known === key || known.startsWith(`${key}/`)) blobs.all.delete(known);
      }
    },
    close: async () => {},
  };
}

const NOTHING = new Uint8Array(0);

export async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
