/**
 * The invariants that are cheap enough to be looked at with every event while a master serves
 * (dst.md part 3: S1, S3, S4, S7, S9). A breach is a bug of ours: it is counted, logged and kept
 * with the run's history, and the master goes on, since what is on disk cannot be taken back.
 */
import { isDone } from '../protocol/run.ts';
import type { EventRecord, RunRecord } from './records.ts';

export const INVARIANTS = ['S1', 'S3', 'S4', 'S7', 'S9'] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Breach {
  invariant: Invariant;
  event: EventRecord;
  /** The run after the event. */
  run: RunRecord;
  what: string;
}

export interface Monitor {
  /** Hears the events of a transaction, and the run after each. */
  hear: (events: readonly EventRecord[], steps: readonly RunRecord[]) => void;
  /** How often each was broken since the start. */
  readonly counts: ReadonlyMap<Invariant, number>;
}

/** Changed in place: with every event, an entry of its own would cost more than the look. */
interface Known {
  attempt: number;
  /** How many events it had. */
  n: number;
}

/** What it knows begins with the first event that it hears: of runs from before, less is checked. */
export function makeMonitor(onBreach: (breach: Breach) => void): Monitor {
  /** Each run that was heard of and is not done, as its last event left it. */
  const known = new Map<string, Known>();
  const counts = new Map<Invariant, number>(INVARIANTS.map((name) => [name, 0]));
  let [first, last] = [0, 0];

  function breach(event: EventRecord, run: RunRecord, invariant: Invariant, what: string): void {
    counts.set(invariant, counts.get(invariant)! + 1);
    onBreach({ invariant, event, run, what });
  }

  function look(event: EventRecord, run: RunRecord): void {
    const { seq, n } = event;
    const { id, state, events, context } = run;
    if (first === 0) [first, last] = [seq, seq - 1];
    if (seq !== last + 1) breach(event, run, 'S9', `event ${seq} follows event ${last}`);
    last = seq;
    if (events.length !== n || events[n - 1] !== seq || event.run !== id || event.state !== state) {
      breach(event, run, 'S9', `event ${seq} is not the last one of its run's record`);
    }
    const before = known.get(id);
    if (before) lookAtStep(event, before, run);
    else if (n > 1 && events[n - 2]! >= first) {
      // It was heard of before and is known no more: it was done.
      breach(event, run, 'S1', `event ${n} comes after the end of the run`);
    }
    const { failures, lost, limits, attempt, settled } = context;
    if (failures > limits.retries || lost > Math.max(1, limits.lostMax)) {
      breach(event, run, 'S7', `${failures} failures and ${lost} losses are beyond its limits`);
    }
    if (isDone(state)) {
      known.delete(id);
      if (settled !== attempt) {
        breach(event, run, 'S4', `it ended with attempt ${attempt}, ${settled} is settled`);
      }
    } else if (before) {
      before.attempt = attempt;
      before.n = n;
    } else known.set(id, { attempt, n });
  }

  function lookAtStep(event: EventRecord, before: Known, run: RunRecord): void {
    const { type, attempt } = event.event;
    const [was, is] = [before.attempt, run.context.attempt];
    if (event.n !== before.n + 1) {
      breach(event, run, 'S9', `event ${event.n} follows event ${before.n} of the run`);
    }
    if (is !== was + (type === 'run.granted' ? 1 : 0)) {
      breach(event, run, 'S3', `attempt ${was} became ${is} by ${type}`);
    }
    if (type === 'attempt.finished' && attempt !== is) {
      breach(event, run, 'S4', `attempt ${JSON.stringify(attempt)} was counted, not ${is}`);
    }
  }

  return {
    hear(events, steps) {
      for (let index = 0; index < events.length; index++) look(events[index]!, steps[index]!);
    },
    counts,
  };
}
