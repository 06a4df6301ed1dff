import type { Clock, Timer } from '../base/clock.ts';

/** One timer for any number of deadlines; a name has at most one. */
export interface Deadlines {
  /** Replaces what was set for `name`; `undefined` clears it. In ms of the monotonic clock. */
  set: (name: string, dueAt: number | undefined) => void;
  readonly size: number;
  stop: () => void;
}

interface Entry {
  name: string;
  dueAt: number;
}

/** Calls `onDue` with each name when its time has come, once. */
export function makeDeadlines(clock: Clock, onDue: (name: string) => void): Deadlines {
  const current = new Map<string, Entry>();
  const heap: Entry[] = [];
  let timer: Timer | undefined;
  let timerAt = Infinity;

  function arm(): void {
    while (heap[0] && current.get(heap[0].name) !== heap[0]) popLeast(heap);
    const next = heap[0]?.dueAt ?? Infinity;
    if (next === timerAt) return;
    timer?.cancel();
    timerAt = next;
    timer = next === Infinity ? undefined : clock.setTimeout(fire, next - clock.now());
  }

  function fire(): void {
    timer = undefined;
    timerAt = Infinity;
    const now = clock.now();
    for (let least = heap[0]; least && least.dueAt <= now; least = heap[0]) {
      popLeast(heap);
      if (current.get(least.name) !== least) continue;
      current.delete(least.name);
      onDue(least.name);
    }
    arm();
  }

  return {
    set(name, dueAt) {
      if (dueAt === undefined) current.delete(name);
      else {
        const entry = { name, dueAt };
        current.set(name, entry);
        push(heap, entry);
      }
      arm();
    },
    get size() {
      return current.size;
    },
    stop() {
      timer?.cancel();
      current.clear();
      heap.length = 0;
    },
  };
}

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (heap[parent]!.dueAt <= entry.dueAt) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = entry;
}

function popLeast(heap: Entry[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]!.dueAt < heap[child]!.dueAt) child++;
    if (heap[child]!.dueAt >= last.dueAt) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
}
