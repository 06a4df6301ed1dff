import { YardError, assert, quote } from '../../base/errors.ts';
import { formGroup, holds } from './group.ts';
import type { Acquire, Group, GroupResult, Leases } from './group.ts';
import type { Commit, CommitResult, Fence, Key, Leases as LeasePort, Rev } from './port.ts';

export const VALUE_BYTES_MAX = 4 * 2 ** 20;
export const OPS_MAX = 100_000;
const KEY_CHARS_MAX = 1024;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** A group larger than this keeps those behind it waiting for too long. */
const GROUP_BYTES_MAX = 4 * 2 ** 20;

export interface QueuePorts {
  /** Revs of keys before the group; 0 for those that are absent. */
  readRevs: (keys: Key[]) => Promise<Rev[]>;
  /** Resolves when the group is durable. Never called while another is being written. */
  write: (group: Group) => Promise<void>;
  notify: (topics: readonly string[]) => void;
  /** When the first commit of an idle queue is looked at: those made meanwhile share its group. */
  soon: (callback: () => void) => void;
}

interface Waiting {
  request: Commit | Acquire;
  bytes: number;
  resolve: (result: GroupResult) => void;
  reject: (error: unknown) => void;
}

/** All commits of a store, one after the other: at most one group is being written at a time. */
export interface CommitQueue {
  commit: (commit: Commit) => Promise<CommitResult>;
  leases: LeasePort;
  /** False once a write has failed or it was closed. */
  isOpen: () => boolean;
  /** Takes nothing more; resolves when all that was queued is settled. */
  close: () => Promise<void>;
}

export function makeCommitQueue(
  ports: QueuePorts,
  from: { lastRev: Rev; leases: Leases },
): CommitQueue {
  const { leases } = from;
  let { lastRev } = from;
  let waiting: Waiting[] = [];
  let running: Promise<void> | undefined;
  let refusal: unknown;

  function enqueue(request: Commit | Acquire, bytes: number): Promise<GroupResult> {
    return new Promise((resolve, reject) => {
      if (refusal !== undefined) return reject(refusal);
      waiting.push({ request, bytes, resolve, reject });
      running ??= new Promise((done) => ports.soon(() => void run().then(done)));
    });
  }

  async function run(): Promise<void> {
    while (waiting.length > 0) await settle(waiting.splice(0, groupSize(waiting)));
    running = undefined;
  }

  async function settle(taken: Waiting[]): Promise<void> {
    let results: GroupResult[];
    try {
      results = await writeGroup(taken.map(({ request }) => request));
    } catch (error) {
      refusal = error;
      const lost = [...taken, ...waiting];
      waiting = [];
      for (const { reject } of lost) reject(error);
      return;
    }
    resolveAll(taken, results, ports.notify);
  }

  async function writeGroup(requests: (Commit | Acquire)[]): Promise<GroupResult[]> {
    const before = await readGuarded(requests, ports.readRevs);
    const revOf = (key: Key) => before.get(key) ?? 0;
    const { group, results } = formGroup(requests, leases, lastRev, revOf);
    if (group.keys.length > 0) await ports.write(group);
    lastRev = group.lastRev;
    return results;
  }

  return {
    async commit(commit) {
      return (await enqueue(commit, sizeOf(commit))) as CommitResult;
    },
    leases: {
      async acquire(shard, holder) {
        return (await enqueue({ shard, holder }, shard.length)) as Fence;
      },
      renew: async (fence) => refusal === undefined && holds(leases.get(fence.shard), fence),
      async release(fence) {
        // What was queued before is still fenced in.
        await running;
        const lease = leases.get(fence.shard);
        if (lease && holds(lease, fence)) lease.held = false;
      },
    },
    isOpen: () => refusal === undefined,
    async close() {
      refusal ??= new YardError('store.closed', 'the store is closed and takes no commits');
      await running;
    },
  };
}

/** How many of those that wait go into the next group. */
function groupSize(waiting: readonly Waiting[]): number {
  let bytes = 0;
  let count = 0;
  while (count < waiting.length && (count === 0 || bytes < GROUP_BYTES_MAX)) {
    bytes += waiting[count++]!.bytes;
  }
  return count;
}

/** What the keys that are guarded in a group are at before it. */
async function readGuarded(
  requests: readonly (Commit | Acquire)[],
  readRevs: QueuePorts['readRevs'],
): Promise<Map<Key, Rev>> {
  const guarded = new Set<Key>();
  for (const request of requests) {
    if ('fence' in request) for (const { key } of request.guards ?? []) guarded.add(key);
  }
  if (guarded.size === 0) return new Map();
  const keys = [...guarded];
  const revs = await readRevs(keys);
  return new Map(keys.map((key, i) => [key, revs[i]!]));
}

function resolveAll(
  taken: readonly Waiting[],
  results: readonly GroupResult[],
  notify: QueuePorts['notify'],
): void {
  for (let i = 0; i < taken.length; i++) taken[i]!.resolve(results[i]!);
  for (let i = 0; i < taken.length; i++) {
    const { request } = taken[i]!;
    const result = results[i]!;
    const isDone = 'ok' in result && result.ok;
    if (isDone && 'fence' in request && request.notify) notify(request.notify);
  }
}

/** The bytes that a commit writes, if it is one that may be written. */
function sizeOf({ ops, guards }: Commit): number {
  if (ops.length > OPS_MAX) throw tooLarge(`${ops.length} ops in one commit`, `${OPS_MAX}`);
  let bytes = 0;
  for (const op of ops) {
    const key = 'put' in op ? op.put : op.del;
    checkKey(key);
    bytes += key.length;
    if (!('put' in op)) continue;
    if (op.value.length > VALUE_BYTES_MAX) {
      throw tooLarge(`${op.value.length} bytes for ${quote(key)}`, `${VALUE_BYTES_MAX}`);
    }
    bytes += op.value.length;
  }
  for (const { key } of guards ?? []) checkKey(key);
  return bytes;
}

export function checkKey(key: Key): void {
  assert(key !== '' && key.charCodeAt(0) !== 0, 'a key is not empty and does not begin with NUL');
  assert(!LONE_SURROGATE.test(key), 'a key is well-formed Unicode');
  if (key.length > KEY_CHARS_MAX) {
    throw tooLarge(`a key of ${key.length} characters`, `${KEY_CHARS_MAX}`);
  }
}

function tooLarge(what: string, limit: string): YardError {
  return new YardError('store.too_large', `${what}, the limit is ${limit}`);
}
