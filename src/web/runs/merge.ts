/** A list of runs and what happened since. Pure. */
import type { HistoryEvent } from '../../protocol/http.ts';
import type { RunStatus } from '../../protocol/run.ts';

/** The newest as they are now, down to that id; then what is known of those before it. */
export function withNewest(
  before: readonly RunStatus[],
  newest: readonly RunStatus[],
  downTo: string,
): readonly RunStatus[] {
  const isNew = new Set(newest.map(({ runId }) => runId));
  const between = before.filter(({ runId }) => !isNew.has(runId) && runId < downTo);
  return [...newest, ...between];
}

/** Rows whose state an event changed. What else it changed comes with the next answer. */
export function withEvents(
  before: readonly RunStatus[],
  events: readonly HistoryEvent[],
): readonly RunStatus[] {
  const states = new Map(events.map(({ runId, state }) => [runId, state]));
  if (!before.some(({ runId }) => states.has(runId))) return before;
  return before.map((run) => {
    const leaf = states.get(run.runId);
    if (leaf === undefined) return run;
    const [state, substate] = leaf.split('.') as [RunStatus['state'], string | undefined];
    const { substate: _, ...rest } = run;
    return { ...rest, state, ...(substate === undefined ? {} : { substate }) };
  });
}
