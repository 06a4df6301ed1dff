/**
 * The yard at any moment of its history: runs per state and on each slave. An index in memory, made
 * from the store when somebody first asks and kept in step from then on; 14 bytes an event, with a
 * whole count before each 4,096 of them. The last four million events are kept.
 */
import { sleep } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import { isDone } from '../../protocol/run.ts';
import type { Feed } from '../feed.ts';
import { runTable } from '../ledger.ts';
import type { EventRecord } from '../records.ts';

export interface Timeline {
  /** Resolves once the index holds all that is in the store. */
  ready: () => Promise<void>;
  view: (at: Moment) => TimelineView;
  /** Whether it is kept in step: somebody has asked. */
  isOpen: () => boolean;
}

/** Absent: the last there is. */
export type Moment = { seq: number } | { wallMs: number } | undefined;

export interface TimelineView {
  seq: number;
  wallMs: number;
  first: { seq: number; wallMs: number };
  last: { seq: number; wallMs: number };
  /** Those at zero are left out. */
  runs: Record<string, number>;
  /** Every slave that had a run up to then. */
  used: Map<string, number>;
}

const CHUNK = 4096;
const CHUNKS_MAX = 1024;
const NOWHERE = 0;
/** While the past is read, others get their turn after so many: some 5 ms. */
const EVENTS_A_TURN = 1000;

interface Chunk {
  firstSeq: number;
  length: number;
  /** Never falling, so that it can be searched: a clock that is set back stands still here. */
  wallMs: Float64Array;
  before: Uint8Array;
  after: Uint8Array;
  left: Uint16Array;
  joined: Uint16Array;
  /** The counts before its first event. */
  runsAtStart: readonly number[];
  usedAtStart: readonly number[];
}

export function makeTimeline(feed: Feed, clock: Clock, { chunksMax = CHUNKS_MAX } = {}): Timeline {
  const states = runTable.states;
  const codes = new Map(states.map((state, code) => [state, code]));
  const slaves = ['nowhere'];
  const slaveCodes = new Map<string, number>();
  const stands = new Map<string, { state: number; slave: number }>();
  const runs = states.map(() => 0);
  const used = [0];
  const chunks: Chunk[] = [];
  let latestMs = 0;
  let following: Promise<unknown> | undefined;

  function codeOfSlave(name: string): number {
    let code = slaveCodes.get(name);
    if (code === undefined) {
      slaveCodes.set(name, (code = slaves.push(name) - 1));
      used.push(0);
    }
    return code;
  }

  function open(seq: number): Chunk {
    if (chunks.length >= chunksMax) chunks.shift();
    const chunk: Chunk = {
      firstSeq: seq,
      length: 0,
      wallMs: new Float64Array(CHUNK),
      before: new Uint8Array(CHUNK),
      after: new Uint8Array(CHUNK),
      left: new Uint16Array(CHUNK),
      joined: new Uint16Array(CHUNK),
      runsAtStart: [...runs],
      usedAtStart: [...used],
    };
    chunks.push(chunk);
    return chunk;
  }

  function add({ seq, run, state, event }: EventRecord): void {
    const last = chunks.at(-1);
    const chunk = last && last.length < CHUNK ? last : open(seq);
    const stand = stands.get(run);
    const before = stand?.state ?? codes.get('NEW')!;
    const left = stand?.slave ?? NOWHERE;
    const after = codes.get(state) ?? before;
    const isOnSlave = state === 'PENDING.assigned' || state.startsWith('RUNNING');
    const named = event['slave'];
    const joined = !isOnSlave ? NOWHERE : typeof named === 'string' ? codeOfSlave(named) : left;
    latestMs = Math.max(latestMs, event.at);
    const place = chunk.length++;
    chunk.wallMs[place] = latestMs;
    chunk.before[place] = before;
    chunk.after[place] = after;
    chunk.left[place] = left;
    chunk.joined[place] = joined;
    if (stand) runs[before]!--;
    runs[after]!++;
    used[left]!--;
    used[joined]!++;
    if (isDone(state)) stands.delete(run);
    else if (!stand) stands.set(run, { state: after, slave: joined });
    else [stand.state, stand.slave] = [after, joined];
  }

  function ready(): Promise<void> {
    let sinceTurn = 0;
    following ??= feed.follow(0, (events, steps) => {
      for (const event of events) add(event);
      sinceTurn += events.length;
      if (steps || sinceTurn < EVENTS_A_TURN) return;
      sinceTurn = 0;
      return sleep(clock, 0);
    });
    return following.then(() => undefined);
  }

  function momentOf(chunk: Chunk, place: number) {
    return { seq: chunk.firstSeq + place, wallMs: chunk.wallMs[place]! };
  }

  /** undefined: before all that there is. */
  function find(at: Moment): [Chunk, number] | undefined {
    const last = chunks.at(-1)!;
    if (!at) return [last, last.length - 1];
    const isAfter = (chunk: Chunk, place: number) =>
      'seq' in at ? chunk.firstSeq + place > at.seq : chunk.wallMs[place]! > at.wallMs;
    const chunk = chunks.findLast((one) => !isAfter(one, 0));
    if (!chunk) {
      const { firstSeq } = chunks[0]!;
      if (firstSeq > 1) throw gone(firstSeq);
      return undefined;
    }
    let [low, high] = [0, chunk.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (isAfter(chunk, middle)) high = middle - 1;
      else low = middle;
    }
    return [chunk, low];
  }

  return {
    ready,
    view(at) {
      if (chunks.length === 0) return nothing();
      const last = chunks.at(-1)!;
      const ends = { first: momentOf(chunks[0]!, 0), last: momentOf(last, last.length - 1) };
      const found = find(at);
      if (!found) return { ...nothing(), ...ends };
      const [chunk, place] = found;
      const counts = [...chunk.runsAtStart];
      const taken = [...chunk.usedAtStart];
      const isNew = codes.get('NEW')!;
      for (let i = 0; i <= place; i++) {
        if (chunk.before[i] !== isNew) counts[chunk.before[i]!]!--;
        counts[chunk.after[i]!]!++;
        taken[chunk.left[i]!] = (taken[chunk.left[i]!] ?? 0) - 1;
        taken[chunk.joined[i]!] = (taken[chunk.joined[i]!] ?? 0) + 1;
      }
      return {
        ...momentOf(chunk, place),
        ...ends,
        runs: Object.fromEntries(
          states.map((state, code) => [state, counts[code]!] as const).filter(([, n]) => n !== 0),
        ),
        used: new Map(taken.slice(1).map((count, index) => [slaves[index + 1]!, count])),
      };
    },
    isOpen: () => following !== undefined,
  };
}

function nothing(): TimelineView {
  const moment = { seq: 0, wallMs: 0 };
  return { ...moment, first: moment, last: moment, runs: {}, used: new Map() };
}

function gone(first: number): YardError {
  return new YardError('cluster.gone', `history is kept from event ${first} on`, {
    hint: 'ask for a later moment',
  });
}
