/**
 * Notes when the bytes of each output came to this master: beside the stream lies a blob of marks,
 * one for each append that brought something new. The time is the master's, so that the whole yard
 * has one clock. Times are an extra: what goes wrong with them is logged, and costs the output
 * nothing. So that blob is never sealed, which would be a sync of the disk for each output, and it
 * is written once a second: most attempts are over by then, and have none.
 */
import { ChurnMap } from '../base/churn-map.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { BlobStore, Key } from './store/port.ts';
import { MARK_BYTES, isAfter, packMarks, thin, unpackMarks } from './time-marks.ts';
import type { Mark } from './time-marks.ts';

export interface TimeKeeper {
  /** Appends to the output and notes when; its outcome is that of the output alone. */
  append: (key: Key, offset: number, bytes: Uint8Array) => Promise<{ size: number }>;
  /**
   * No more will come of that output. If all of it came in the last `SAVE_AFTER_MS`, its marks are
   * dropped: it came with its end.
   */
  end: (key: Key) => Promise<void>;
  /**
   * What is known of when its bytes from `from` on came, in order: of all that can be read of the
   * output by now. At most some `MARKS_MAX` marks, see `thin`.
   */
  read: (key: Key, from: number) => Promise<readonly Mark[]>;
  /** Writes what waits for it; call it when nothing is appended any more. */
  close: () => Promise<void>;
}

/** In one answer: about 270 kB of JSON. */
const MARKS_MAX = 10_000;
/**
 * The n-th mark comes no sooner than n / 1000 ms after the one before, so that they do not pile up:
 * a task that writes all day has half a million, and each is right to half a second.
 */
const MARKS_PER_GAP_MS = 1_000;
/** How long marks wait for others to be written with. */
const SAVE_AFTER_MS = 1_000;
/** So many marks of an output that cannot be written are kept, and tried again. */
const UNSAVED_MAX = 1_000;
/** Outputs at once. One that is pushed out is taken up from disk again. */
const TRAILS_MAX = 2 ** 15;

interface Trail {
  /** Up to where bytes came: those have their times, or have none for good. */
  end: number;
  last: Mark | undefined;
  /** How many marks are on the blob store. */
  saved: number;
  /** Marks that are not there yet, or could not be written. */
  unsaved: Mark[];
  /** They are written when it is over. */
  timer: Timer | undefined;
  isSaving: boolean;
  /** The last write failed, which is told once. */
  isFailing: boolean;
  /** Its times cannot be kept. */
  isGivenUp: boolean;
}

export function timesKey(key: Key): Key {
  return `${key}.times`;
}

export function makeTimes(ports: { blobs: BlobStore; clock: Clock; log: Log }): TimeKeeper {
  const { blobs, clock, log } = ports;
  const trails = new ChurnMap<Key, Trail | Promise<Trail>>();

  /** Never rejects. */
  async function note(key: Key, from: number, to: number, at: number): Promise<void> {
    try {
      const known = trails.get(key) ?? begin(key, from);
      // Without a turn in between, where there is none to wait for: who is woken may ask at once.
      const trail = known instanceof Promise ? await known : known;
      const last = trail.last;
      mark(trail, from, to, at);
      if (trail.unsaved.length === 0) return;
      // Lost with this process, a mark after a pause would leave its bytes the time before that.
      if (last && at - last[1] >= SAVE_AFTER_MS) return void save(key, trail);
      trail.timer ??= clock.setTimeout(() => void save(key, trail), SAVE_AFTER_MS);
    } catch (error) {
      drop(key, error);
    }
  }

  function drop(key: Key, error: unknown): void {
    trails.delete(key);
    warn(key, error);
  }

  function warn(key: Key, error: unknown): void {
    log.warn({ key, err: messageOf(error) }, 'the times of an output cannot be kept');
  }

  function begin(key: Key, from: number): Trail | Promise<Trail> {
    if (trails.size >= TRAILS_MAX) trails.delete(trails.keys().next().value!);
    const trail = from === 0 ? trailOf([], 0) : takeUp(key, from);
    trails.set(key, trail);
    return trail;
  }

  /** As an earlier process of this master left it, of an output that had so many bytes. */
  async function takeUp(key: Key, size: number): Promise<Trail> {
    const held = await blobs.stat(timesKey(key));
    const marks = held ? await marksOf(key, 0) : [];
    const trail = trailOf(marks, size);
    if (held && held.bytes !== marks.length * MARK_BYTES) {
      // What a power cut left of a mark cannot be cut off.
      await blobs.remove(timesKey(key));
      trail.saved = 0;
      trail.unsaved = marks;
    }
    trails.set(key, trail);
    return trail;
  }

  /** Those that say when its bytes from `from` on came. */
  async function marksOf(key: Key, from: number): Promise<Mark[]> {
    const marks: Mark[] = [];
    for await (const some of unpackMarks(await blobs.get(timesKey(key)))) add(some, marks, from);
    return marks;
  }

  /** Never rejects. */
  async function save(key: Key, trail: Trail): Promise<void> {
    trail.timer?.cancel();
    trail.timer = undefined;
    if (trail.isSaving) return;
    trail.isSaving = true;
    try {
      while (trail.unsaved.length > 0) await saveSome(key, trail);
      trail.isFailing = false;
    } catch (error) {
      if (!trail.isFailing) warn(key, error);
      trail.isFailing = true;
      if (trail.unsaved.length < UNSAVED_MAX) return;
      // What comes now would seem to have come with the last mark that could be written.
      trail.isGivenUp = true;
      trail.unsaved = [];
      await blobs.remove(timesKey(key)).catch((failed: unknown) => drop(key, failed));
    } finally {
      trail.isSaving = false;
    }
  }

  async function saveSome(key: Key, trail: Trail): Promise<void> {
    const marks = [...trail.unsaved];
    const at = trail.saved * MARK_BYTES;
    const { size } = await blobs.append(timesKey(key), at, packMarks(marks));
    trail.saved += marks.length;
    trail.unsaved.splice(0, marks.length);
    if (size === trail.saved * MARK_BYTES) return;
    // The output was begun anew, and these are from before: bytes that come again keep their times.
    const found = await takeUp(key, trail.end);
    for (const one of [...marks, ...trail.unsaved]) if (isAfter(one, found.last)) push(found, one);
    Object.assign(trail, found, { isSaving: true, timer: trail.timer });
    trails.set(key, trail);
  }

  return {
    async append(key, offset, bytes) {
      const at = clock.wall();
      const { size, from } = await blobs.append(key, offset, bytes);
      if (size > from) void note(key, from, size, at);
      return { size };
    },
    async end(key) {
      const known = trails.get(key);
      trails.delete(key);
      const trail = await Promise.resolve(known).catch(() => undefined);
      const first = trail?.unsaved[0];
      if (!trail || !first) return;
      const isOld = trail.saved > 0 || clock.wall() - first[1] >= SAVE_AFTER_MS;
      if (isOld) await save(key, trail);
      else trail.timer?.cancel();
    },
    async read(key, from) {
      const trail = await trails.get(key);
      if (trail?.isGivenUp) return [];
      // Before the others are read: those may be saved meanwhile, and are then there twice.
      const unsaved = [...(trail?.unsaved ?? [])];
      const marks = (await blobs.stat(timesKey(key))) ? await marksOf(key, from) : [];
      add(unsaved, marks, from);
      return thin(marks, MARKS_MAX);
    },
    async close() {
      const keys = [...trails.keys()];
      await Promise.all(
        keys.map(async (key) => {
          const trail = await Promise.resolve(trails.get(key)).catch(() => undefined);
          if (trail) await save(key, trail);
        }),
      );
    },
  };
}

function trailOf(marks: readonly Mark[], size: number): Trail {
  const last = marks.at(-1);
  const end = Math.max(size, last?.[0] ?? 0);
  const idle = { timer: undefined, isSaving: false, isFailing: false, isGivenUp: false };
  return { end, last, saved: marks.length, unsaved: [], ...idle };
}

function add(some: readonly Mark[], marks: Mark[], from: number): void {
  for (const one of some) {
    if (!isAfter(one, marks.at(-1))) continue;
    if (one[0] <= from) marks.length = 0;
    marks.push(one);
  }
}

/**
 * Notes that bytes came, if any of them are new: those that come again, as after a power cut or a
 * wrong digest, keep the time at which they came first.
 */
function mark(trail: Trail, from: number, to: number, at: number): void {
  if (trail.isGivenUp || to <= trail.end) return;
  const start = Math.max(from, trail.end);
  trail.end = to;
  const count = trail.saved + trail.unsaved.length;
  const gapMs = Math.max(1, count / MARKS_PER_GAP_MS);
  if (trail.last && (!isAfter([start, at], trail.last) || at - trail.last[1] < gapMs)) return;
  push(trail, [start, at]);
}

function push(trail: Trail, one: Mark): void {
  trail.last = one;
  trail.unsaved.push(one);
}
