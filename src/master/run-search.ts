/** Finds runs that fit a query among all there are, newest first. */
import { readInstant } from '../base/units.ts';
import type { RunQuery } from '../protocol/http.ts';
import { isDone } from '../protocol/run.ts';
import type { RunStatus } from '../protocol/run.ts';
import type { RunPage } from '../protocol/service.ts';
import type { RunRecord } from './records.ts';
import { exitCodeOf } from './status.ts';
import { badEndOf } from './yard.ts';

/**
 * Looks at one run after the other and keeps none but those that fit, until there are `limit` of
 * them. After `scan` runs it stops looking: `next` then says where to go on.
 */
export async function searchRuns(
  newestFirst: AsyncIterable<RunRecord>,
  query: RunQuery,
  present: (run: RunRecord) => RunStatus,
): Promise<RunPage> {
  const { limit, scan = Infinity, since } = query;
  const fits = makeFits(query);
  const sinceMs = since === undefined ? -Infinity : readInstant(since);
  const runs: RunStatus[] = [];
  let looked = 0;
  for await (const run of newestFirst) {
    // Ids begin with when a run was made, so that none after it is younger.
    if (run.facts.createdAt < sinceMs) break;
    if (fits(run)) runs.push(present(run));
    if (runs.length >= limit) break;
    if (++looked >= scan) return { runs, next: run.id };
  }
  return { runs };
}

function makeFits({ state, slave, job, name, is, exit, ended, text = [] }: RunQuery) {
  const words = text.map((word) => word.toLowerCase());
  return (run: RunRecord): boolean => {
    const { context, facts } = run;
    const [outer, inner] = run.state.split('.');
    if (state && !(state as string[]).includes(outer!)) return false;
    if (is !== undefined && inner !== is && !(is === 'held' && isHeld(run))) return false;
    if (slave !== undefined && context.slave !== slave) return false;
    if (job !== undefined && facts.job !== job) return false;
    if (name !== undefined && !facts.name?.includes(name)) return false;
    if (exit !== undefined && (outer !== 'COMPLETE' || exitCodeOf(run) !== exit)) return false;
    if (ended && (!isDone(outer!) || (badEndOf(run) === undefined) !== (ended === 'well')))
      return false;
    return words.length === 0 || holdsAll(run, words);
  };
}

/** In whatever state: what backs off, is blocked or goes on may be held besides. */
function isHeld({ state, context }: RunRecord): boolean {
  return context.hold !== undefined && !isDone(state);
}

function holdsAll({ id, context, facts }: RunRecord, words: readonly string[]): boolean {
  const { slave, reason, error } = context;
  const said = [id, facts.name, facts.job, facts.requestor, slave, reason, error];
  const text = said.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}
