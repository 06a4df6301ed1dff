/** What is typed into the search of runs: qualifiers that the master knows, and some of our own. */
import type { RunStatus } from '../../protocol/run.ts';
import { parseInstant } from '../base/clock.ts';
import { parseDuration } from '../base/text.ts';
import { STATES } from '../base/words.ts';

export interface RunsQuery {
  /** Asked of the master. */
  state?: string;
  slave?: string;
  job?: string;
  name?: string;
  /** Only runs created since then, in milliseconds since 1970. */
  sinceMs?: number;
  exit?: number;
  substate?: string;
  /** All of these, somewhere in it. */
  words: readonly string[];
  /** What could not be read. */
  faults: readonly string[];
}

type Draft = { -readonly [K in keyof RunsQuery]: RunsQuery[K] };

const QUALIFIERS: Record<string, (value: string, draft: Draft, now: number) => string | undefined> =
  {
    state(value, draft) {
      const states = value.toUpperCase().split(',');
      const wrong = states.find((state) => !(STATES as readonly string[]).includes(state));
      if (wrong !== undefined) return `state: ${wrong} is none of ${STATES.join(', ')}`;
      draft.state = states.join(',');
      return undefined;
    },
    slave: (value, draft) => void (draft.slave = value),
    job: (value, draft) => void (draft.job = value),
    name: (value, draft) => void (draft.name = value),
    is: (value, draft) => void (draft.substate = value),
    exit(value, draft) {
      if (!/^\d+$/.test(value)) return `exit: ${value} is no code`;
      draft.exit = Number(value);
      return undefined;
    },
    since(value, draft, now) {
      const ms = parseDuration(value);
      const at = ms === undefined ? parseInstant(value) : now - ms;
      if (Number.isNaN(at))
        return `since: ${value} is neither like 90s, 15m, 2h, 7d nor an instant`;
      draft.sinceMs = at;
      return undefined;
    },
  };

/** `state:failed slave:s7 since:1h "two words" text`. */
export function parseQuery(text: string, now: number): RunsQuery {
  const faults: string[] = [];
  const words: string[] = [];
  const draft: Draft = { words, faults };
  for (const [, key, quoted, plain] of text.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/g)) {
    const value = quoted ?? plain ?? '';
    if (key === undefined) {
      words.push(value.toLowerCase());
      continue;
    }
    const read = Object.hasOwn(QUALIFIERS, key) ? QUALIFIERS[key] : undefined;
    if (!read) {
      faults.push(`${key}: is none of ${Object.keys(QUALIFIERS).join(', ')}`);
      continue;
    }
    const fault = read(value, draft, now);
    if (fault !== undefined) faults.push(fault);
  }
  return draft;
}

/** What is asked of the master. */
export function pathOf({ state, slave, job, name }: RunsQuery): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ state, slave, job, name })) {
    if (value !== undefined) query.set(key, value);
  }
  return `/api/runs?${query}`;
}

/** What the master does not look at. Live events also change the state of what it answered. */
export function fitsQuery(run: RunStatus, query: RunsQuery): boolean {
  if (query.state !== undefined && !query.state.split(',').includes(run.state)) return false;
  if (query.sinceMs !== undefined && parseInstant(run.createdAt) < query.sinceMs) return false;
  if (query.exit !== undefined && run.exitCode !== query.exit) return false;
  if (query.substate !== undefined && run.substate !== query.substate) return false;
  if (query.words.length === 0) return true;
  const text = [run.runId, run.name, run.slave, run.reason, run.error, run.requestor, run.job]
    .join(' ')
    .toLowerCase();
  return query.words.every((word) => text.includes(word));
}
