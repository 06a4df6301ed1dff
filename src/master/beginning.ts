/** Where the fold of a run's history begins. */
import type { RunContext, RunInput } from '../machines/run-context.ts';
import { initialContext } from './ledger.ts';
import { limitsOf } from './origin.ts';
import type { EventRecord, RunOrigin, RunRecord } from './records.ts';
import { holdAtSubmit } from './submit.ts';

/** What it waited for at first is told by what it heard of, and by what it still waits for. */
export function beginningOf(
  { context }: RunRecord,
  { request }: RunOrigin,
  events: readonly EventRecord[],
): RunContext {
  const heard = new Set(context.blockers);
  for (const { event } of events) {
    if (typeof event['blocker'] === 'string') heard.add(event['blocker']);
  }
  const input: RunInput = {
    limits: limitsOf(request),
    blockers: [...new Set(request.after)].filter((id) => heard.has(id)),
    hold: holdAtSubmit(request, events[0]!.by),
  };
  return initialContext(input);
}
