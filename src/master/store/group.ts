import type { Commit, CommitResult, Fence, Key, Op, Rev } from './port.ts';

/** Raises the epoch of a shard, at its place among the commits. */
export interface Acquire {
  shard: string;
  holder: string;
}

/** The shards whose epoch is known; one that is not held fences nobody in. */
export type Leases = Map<string, { epoch: number; held: boolean }>;

/**
 * What one synced write carries: of each key its last write, in columns, since an object for each
 * would be half the cost of the hot path.
 */
export interface Group {
  readonly keys: Key[];
  /** undefined: deleted. */
  readonly values: (Uint8Array | undefined)[];
  readonly revs: Rev[];
  /** The first commit of the group; the group has none if it is past `lastRev`. */
  readonly firstRev: Rev;
  lastRev: Rev;
}

export type GroupResult = CommitResult | Fence;

/** The keys of the store's own that hold the leases. */
export const LEASE_PREFIX = '\0l/';

/**
 * Takes decisions in the order of the queue, each as if those before it were already written.
 * `revOf` answers for the state before the group; leases are changed in place.
 */
export function formGroup(
  requests: readonly (Commit | Acquire)[],
  leases: Leases,
  lastRev: Rev,
  revOf: (key: Key) => Rev,
): { group: Group; results: GroupResult[] } {
  const group: Group = { keys: [], values: [], revs: [], firstRev: lastRev + 1, lastRev };
  const columnOf = new Map<Key, number>();

  function currentRev(key: Key): Rev {
    const column = columnOf.get(key);
    if (column === undefined) return revOf(key);
    return group.values[column] === undefined ? 0 : group.revs[column]!;
  }

  function write(key: Key, value: Uint8Array | undefined, rev: Rev): void {
    const column = columnOf.get(key);
    if (column === undefined) {
      columnOf.set(key, group.keys.length);
      group.keys.push(key);
      group.values.push(value);
      group.revs.push(rev);
    } else {
      group.values[column] = value;
      group.revs[column] = rev;
    }
  }

  function acquire({ shard, holder }: Acquire): Fence {
    const epoch = (leases.get(shard)?.epoch ?? 0) + 1;
    leases.set(shard, { epoch, held: true });
    write(LEASE_PREFIX + shard, encodeLease(epoch, holder), ++group.lastRev);
    return { shard, epoch };
  }

  function apply(ops: readonly Op[]): Rev {
    if (ops.length === 0) return group.lastRev;
    const rev = ++group.lastRev;
    for (const op of ops) {
      if ('put' in op) write(op.put, op.value, rev);
      else write(op.del, undefined, rev);
    }
    return rev;
  }

  const results = requests.map((request): GroupResult => {
    if ('shard' in request) return acquire(request);
    const lease = leases.get(request.fence.shard);
    if (!holds(lease, request.fence)) {
      return { ok: false, why: 'deposed', epoch: lease?.epoch ?? 0 };
    }
    for (const guard of request.guards ?? []) {
      const rev = currentRev(guard.key);
      if (rev !== guard.rev) return { ok: false, why: 'conflict', key: guard.key, rev };
    }
    return { ok: true, rev: apply(request.ops) };
  });
  return { group, results };
}

export function holds(lease: { epoch: number; held: boolean } | undefined, fence: Fence): boolean {
  return lease !== undefined && lease.held && lease.epoch === fence.epoch;
}

export function encodeLease(epoch: number, holder: string): Uint8Array {
  return Buffer.from(JSON.stringify({ epoch, holder }));
}

/** The epoch in the value of a lease's key. */
export function decodeLease(value: Uint8Array): number {
  const { epoch } = JSON.parse(Buffer.from(value).toString()) as { epoch: number };
  return epoch;
}
