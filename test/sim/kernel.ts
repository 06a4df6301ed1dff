/**
 * The heart of the simulator: one heap of events in virtual time. After each event everything that
 * it woke runs to its end, so that a seed decides the order of all that happens (dst.md part 2.2).
 */

/** What an event is, for the trace. */
export const KIND = {
  timer: 1,
  soon: 2,
  frame: 3,
  wire: 4,
  call: 5,
  disk: 6,
  blob: 7,
  process: 8,
  client: 9,
  fault: 10,
  world: 11,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** One process of the simulated world: what it scheduled dies with it. */
export interface Life {
  readonly id: number;
  readonly name: string;
  alive: boolean;
  paused: boolean;
  /** Of processor time for each event; 0: none that counts. */
  costUs: number;
  busyUntil: number;
  held: Entry[];
}

export interface Entry {
  at: number;
  seq: number;
  kind: Kind;
  life: Life | undefined;
  /** undefined: cancelled. */
  run: (() => void) | undefined;
}

export interface Kernel {
  /** Microseconds since the world began. */
  readonly now: number;
  readonly events: number;
  makeLife: (name: string) => Life;
  after: (delayUs: number, kind: Kind, run: () => void, life?: Life) => Entry;
  kill: (life: Life) => void;
  pause: (life: Life) => void;
  resume: (life: Life) => void;
  /** Mixes a number into the trace. */
  note: (value: number) => void;
  noteText: (text: string) => void;
  noteBytes: (bytes: Uint8Array) => void;
  readonly hash: string;
  /**
   * Runs events until nothing is left or `until` says so. Call it from a macrotask of its own
   * (`inMacrotask`): within a microtask, promises would not be drained.
   */
  run: (until: () => boolean) => void;
  /** Ends `run` after the present event. */
  stop: () => void;
}

/** Undocumented, in Node from 0.x to 24: runs next ticks and microtasks until there are none. */
const drain = (process as unknown as { _tickCallback: () => void })._tickCallback;

/** Hears each event once all that it woke has run, with what the trace is then mixed to. */
export type OnEvent = (kind: Kind, life: Life | undefined, now: number, hash: number) => void;

export function makeKernel(
  onCrash: (error: unknown, life: Life | undefined) => void,
  onEvent?: OnEvent,
): Kernel {
  const heap: Entry[] = [];
  /** What is due at this very instant, in order: all of it was scheduled later than the heap's. */
  let ready: Entry[] = [];
  let readyAt = 0;
  let now = 0;
  let seq = 0;
  let events = 0;
  let lives = 0;
  let stopped = false;
  let low = 0x811c9dc5 | 0;
  let high = 0x1b873593 | 0;

  function note(value: number): void {
    low = Math.imul(low ^ value, 0x01000193) ^ (low >>> 15);
    high = Math.imul(high ^ value ^ (low >>> 7), 0x85ebca6b) ^ (high >>> 13);
  }

  function enqueue(entry: Entry): void {
    if (entry.at <= now) ready.push(entry);
    else push(heap, entry);
  }

  function after(delayUs: number, kind: Kind, run: () => void, life?: Life): Entry {
    const at = delayUs <= 0 ? now : Math.ceil(now + delayUs);
    const entry = { at, seq: seq++, kind, life, run };
    enqueue(entry);
    return entry;
  }

  function next(): Entry | undefined {
    if (heap.length > 0 && heap[0]!.at <= now) return pop(heap);
    if (readyAt < ready.length) {
      const entry = ready[readyAt++]!;
      if (readyAt > 1024) {
        ready = ready.slice(readyAt);
        readyAt = 0;
      }
      return entry;
    }
    // Setting a length is a call into the engine, even where nothing changes.
    if (readyAt > 0) ready.length = readyAt = 0;
    return heap.length > 0 ? pop(heap) : undefined;
  }

  function isPostponed(entry: Entry, life: Life): boolean {
    if (life.paused) {
      life.held.push(entry);
      return true;
    }
    if (life.busyUntil > now) {
      entry.at = Math.ceil(life.busyUntil);
      entry.seq = seq++;
      enqueue(entry);
      return true;
    }
    if (life.costUs > 0) life.busyUntil = now + life.costUs;
    return false;
  }

  function step(entry: Entry): void {
    const { run, life, kind } = entry;
    if (!run) return;
    if (entry.at > now) now = entry.at;
    if (life && (!life.alive || isPostponed(entry, life))) return;
    entry.run = undefined;
    events++;
    note(now | 0);
    note((kind << 16) | (life?.id ?? 0));
    try {
      run();
    } catch (error) {
      onCrash(error, life);
    }
    drain();
    onEvent?.(kind, life, now, low ^ high);
  }

  /** A few events: a loop that never ends would be compiled anew for each world. */
  function turn(until: () => boolean): boolean {
    for (let i = 0; i < 64; i++) {
      if (stopped || until()) return false;
      const entry = next();
      if (!entry) return false;
      step(entry);
    }
    return true;
  }

  return {
    get now() {
      return now;
    },
    get events() {
      return events;
    },
    makeLife: (name) => ({
      id: ++lives,
      name,
      alive: true,
      paused: false,
      costUs: 0,
      busyUntil: 0,
      held: [],
    }),
    after,
    kill(life) {
      life.alive = false;
      life.held = [];
    },
    pause: (life) => void (life.paused = true),
    resume(life) {
      life.paused = false;
      const { held } = life;
      life.held = [];
      // As Node does it: timers that are due come before what sockets and disks brought meanwhile,
      // and what comes now is later than all of that.
      life.busyUntil = Math.max(life.busyUntil, now + 1);
      const inOrder = [
        ...held.filter(({ kind }) => kind === KIND.timer),
        ...held.filter(({ kind }) => kind !== KIND.timer),
      ];
      for (const entry of inOrder) {
        entry.at = now + 1;
        entry.seq = seq++;
        push(heap, entry);
      }
    },
    note,
    noteText(text) {
      for (let i = 0; i < text.length; i++) note(text.charCodeAt(i));
    },
    noteBytes: (bytes) => note(digestOf(bytes)),
    get hash() {
      const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0');
      return hex(high) + hex(low);
    },
    run(until) {
      stopped = false;
      drain();
      while (turn(until));
    },
    stop: () => void (stopped = true),
  };
}

/** Runs `task` where the kernel's drain works: in a macrotask, with nothing else on the stack. */
export function inMacrotask<T>(task: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(task());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}

/** In a function of its own: within the kernel's, the loop was compiled anew for each world. */
function digestOf(bytes: Uint8Array): number {
  let value = bytes.length;
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  return value;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isBefore(entry, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): Entry {
  const least = heap[0]!;
  const last = heap.pop()!;
  const size = heap.length;
  if (size === 0) return least;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= size) break;
    if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
  return least;
}
