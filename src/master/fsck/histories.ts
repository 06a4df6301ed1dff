/**
 * All histories, read once in the order in which they were written: events are kept until their run
 * is done, then held against its record. So memory is that of the runs that were open together; where
 * those are too many, the runs are divided and the events are read once for each part.
 */
import { isDone } from '../../protocol/run.ts';
import { keys } from '../records.ts';
import type { EventRecord } from '../records.ts';
import { unpackEvents, unpackOrigin, unpackRun } from '../rows.ts';
import type { Entry } from '../store/port.ts';
import type { ReadOnlyState } from '../store/read-only.ts';
import type { Report } from './finding.ts';
import { findRunFault } from './replay.ts';

export interface HistoryPorts {
  state: ReadOnlyState;
  report: Report;
  /** Told of the events read so far, now and then. */
  onProgress: (events: number) => void;
  /** Events kept at once. */
  eventsMax?: number;
}

const EVENTS_MAX = 400_000;
const RUNS_TOGETHER = 500;

/** Resolves with how many events there are, and of how many runs their records were found. */
export async function checkHistories(
  ports: HistoryPorts,
): Promise<{ events: number; runs: number }> {
  const { eventsMax = EVENTS_MAX } = ports;
  const seen = { events: 0, runs: 0 };
  let isFirst = true;
  for (const parts = [{ part: 0, of: 1 }]; parts.length > 0;) {
    const { part, of } = parts.pop()!;
    const read = await readPart(ports, {
      isMine: (run) => of === 1 || hashOf(run) % of === part,
      eventsMax,
      isFirst,
    });
    if (read) {
      seen.events = read.events;
      seen.runs += read.runs;
      isFirst = false;
    } else parts.push({ part, of: of * 2 }, { part: part + of, of: of * 2 });
  }
  return seen;
}

interface Part {
  isMine: (run: string) => boolean;
  eventsMax: number;
  /** What belongs to no run is told once. */
  isFirst: boolean;
}

/** undefined: too many events at once; nothing was reported that a smaller part would not repeat. */
async function readPart(
  { state, report, onProgress }: HistoryPorts,
  { isMine, eventsMax, isFirst }: Part,
): Promise<{ events: number; runs: number } | undefined> {
  const open = new Map<string, EventRecord[]>();
  let ended: string[] = [];
  const seen = { events: 0, runs: 0 };
  let held = 0;
  let last = 0;

  async function conclude(runs: readonly string[]): Promise<void> {
    for (let at = 0; at < runs.length; at += RUNS_TOGETHER) {
      const together = runs.slice(at, at + RUNS_TOGETHER);
      const histories = together.map((run) => open.get(run)!);
      seen.runs += await checkRuns(state, together, histories, report);
      for (const run of together) {
        held -= open.get(run)!.length;
        open.delete(run);
      }
    }
  }

  for await (const entry of state.scan({ gte: 'event/', lt: 'event0' })) {
    const events = readEvents(entry, isFirst ? report : () => {});
    if (isFirst) checkPlace(entry.key, events, last, report);
    last = events.at(-1)?.seq ?? last;
    for (const event of events) {
      if (!isMine(event.run)) continue;
      const known = open.get(event.run);
      if (known) known.push(event);
      else open.set(event.run, [event]);
      held++;
      if (isDone(event.state)) ended.push(event.run);
    }
    seen.events += events.length;
    onProgress(seen.events);
    if (ended.length >= RUNS_TOGETHER) {
      await conclude([...new Set(ended)]);
      ended = [];
    }
    if (held > eventsMax && open.size > 1) return undefined;
  }
  await conclude([...open.keys()]);
  return seen;
}

function readEvents({ key, value }: Entry, report: Report): EventRecord[] {
  try {
    return unpackEvents(value);
  } catch {
    report('undecodable', key, 'its events do not decode');
    return [];
  }
}

/** Events are numbered without gaps, and lie under the number of the first of them. */
function checkPlace(
  key: string,
  events: readonly EventRecord[],
  last: number,
  report: Report,
): void {
  const [first] = events;
  if (!first) return;
  if (key !== keys.events(first.seq)) report('key_mismatch', key, `it holds event ${first.seq}`);
  if (first.seq !== last + 1) {
    report('history_gap', key, `event ${first.seq} follows event ${last}`);
  }
}

/** Returns how many of them have a record. */
async function checkRuns(
  state: ReadOnlyState,
  runs: readonly string[],
  histories: readonly EventRecord[][],
  report: Report,
): Promise<number> {
  const origins = await state.getMany(runs.map(keys.origin));
  const done = await state.getMany(runs.map(keys.done));
  const live = await state.getMany(runs.map(keys.live));
  let found = 0;
  for (const [index, run] of runs.entries()) {
    const [origin, record] = [origins[index], done[index] ?? live[index]];
    const name = `run ${run}`;
    if (!record) {
      report('history_orphan', name, `it has ${histories[index]!.length} events and no record`);
      continue;
    }
    found++;
    if (!origin) continue; // Told where records are counted.
    try {
      const from = unpackOrigin(origin.value);
      const fault = findRunFault(unpackRun(record.value, from), from, histories[index]!);
      if (fault) report(fault.code, name, fault.what);
    } catch {
      report('undecodable', name, 'its record does not decode');
    }
  }
  return found;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash;
}
