/** What is typed into the search of runs, and how it is asked of the master. */
import type { RunStatus } from '../../protocol/run.ts';
import { formatInstant, parseInstant } from '../base/clock.ts';
import { parseDuration } from '../base/text.ts';
import { STATES } from '../base/words.ts';

export interface RunsQuery {
  state?: string;
  slave?: string;
  job?: string;
  name?: string;
  /** Only runs created since then, in milliseconds since 1970. */
  sinceMs?: number;
  exit?: number;
  ended?: string;
  substate?: string;
  /** In lower case: all of these, somewhere in it. */
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
    ended(value, draft) {
      if (value !== 'well' && value !== 'badly') return `ended: ${value} is neither well nor badly`;
      draft.ended = value;
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
export function pathOf({ state, slave, job, name, ended, ...rest }: RunsQuery): string {
  const { exit, sinceMs, substate: is, words } = rest;
  const query = new URLSearchParams();
  const since = sinceMs === undefined ? undefined : formatInstant(sinceMs);
  const asked = { state, is, slave, job, name, exit: exit?.toString(), ended, since };
  for (const [key, value] of Object.entries(asked)) {
    if (value !== undefined) query.set(key, value);
  }
  for (const word of words) query.append('text', word);
  return `/api/runs?${query}`;
}

/** Live events change the state of what the master answered. */
export function fitsQuery(run: RunStatus, { state, substate }: RunsQuery): boolean {
  if (state !== undefined && !state.split(',').includes(run.state)) return false;
  if (substate === 'held' && run.hold) return true;
  return substate === undefined || run.substate === substate;
}
