import { NEXT_HEADER, PAGE_MAX } from '../protocol/http.ts';
import type { RunStatus } from '../protocol/run.ts';
import { queryOf } from './ask.ts';
import type { Ask } from './ask.ts';

/** All ANDed. */
export interface ListOptions {
  state?: string | readonly string[] | undefined;
  slave?: string | undefined;
  job?: string | undefined;
  name?: string | undefined;
  /** Well: COMPLETE with exit code 0; badly: any other end. */
  ended?: 'well' | 'badly' | undefined;
  /** Only runs created then or later: an instant, RFC 3339. */
  since?: string | undefined;
  /** Each is somewhere in the id, the names, the reason or the error, whatever the case. */
  text?: readonly string[] | undefined;
  limit?: number | undefined;
  before?: string | undefined;
}

export interface FoundRuns {
  runs: RunStatus[];
  /** There are more than were asked for. */
  isCut: boolean;
}

/** What one request looks at, so that a search among millions of runs keeps the master free. */
const SCAN_MAX = 20_000;

export function listPath({ state, ...query }: ListOptions & { scan?: number }): string {
  return `/api/runs${queryOf({ ...query, state: state?.toString() })}`;
}

/** The newest `max` runs that fit, page by page: a page ends when it is full or has looked long. */
export async function findRuns(
  ask: Ask,
  query: Omit<ListOptions, 'limit'>,
  max: number,
): Promise<FoundRuns> {
  const runs: RunStatus[] = [];
  for (let before = query.before; ;) {
    const limit = Math.min(PAGE_MAX, max + 1 - runs.length);
    const answer = await ask.response('GET', listPath({ ...query, before, limit, scan: SCAN_MAX }));
    const page = (await answer.json()) as RunStatus[];
    runs.push(...page);
    if (runs.length > max) return { runs: runs.slice(0, max), isCut: true };
    const next = answer.headers.get(NEXT_HEADER);
    if (next === null && page.length < limit) return { runs, isCut: false };
    before = next ?? page.at(-1)!.runId;
  }
}
