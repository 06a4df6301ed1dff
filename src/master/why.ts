import { YardError } from '../base/errors.ts';
import { formatInstant } from '../base/units.ts';
import type { RunContext } from '../machines/run-context.ts';
import { holdText } from '../protocol/hold.ts';
import type { WhyAnswer } from '../protocol/http.ts';
import { judge } from './placement.ts';
import type { Room, Verdict } from './placement.ts';
import { keys, unpack } from './records.ts';
import type { DecisionRecord, RunFacts, RunRecord } from './records.ts';
import type { StateStore } from './store/port.ts';
import { classPath } from './yard.ts';
import type { Yard } from './yard.ts';

/** Answers why a run is pending from where it stands and from the decisions on record. */
export async function explain(yard: Yard, store: StateStore, runId: string): Promise<WhyAnswer> {
  const run = await yard.ledger.findRun(runId);
  if (!run) throw new YardError('run.unknown', `no run ${runId}`);
  const decisions = await decisionsOn(yard, store, run);
  return { runId, state: run.state, ...standing(run, yard.rooms), decisions };
}

type Standing = Pick<WhyAnswer, 'verdict' | 'summary' | 'remedy' | 'slaves'>;

function standing(run: RunRecord, rooms: ReadonlyMap<string, Room>): Standing {
  const { context, state } = run;
  const plain = (verdict: Standing['verdict'], summary: string, remedy?: string): Standing => ({
    verdict,
    summary,
    ...(remedy === undefined ? {} : { remedy }),
    slaves: [],
  });
  switch (state) {
    case 'PENDING.blocked':
      return plain(
        'blocked',
        `blocked by ${context.blockers.join(', ')}`,
        'they must end well first',
      );
    case 'PENDING.held':
      return plain('held', heldText(context), `runyard run release ${run.id}`);
    case 'PENDING.backoff': {
      const wait = waitText(context);
      if (!context.hold) return plain('backoff', wait);
      const summary = `${wait}, and is ${heldText(context)}`;
      return plain('backoff', summary, `runyard run release ${run.id}`);
    }
    case 'PENDING.assigned':
      return plain('assigned', `given to ${context.slave}, which has not started it yet`);
    case 'PENDING.queued': {
      const judged = judge(run.facts, rooms.values());
      return {
        verdict: judged.verdict,
        summary: judged.summary,
        remedy: remedyOf(judged, run.facts),
        slaves: judged.obstacles,
      };
    }
    default:
      return plain('not_pending', `is ${state}`);
  }
}

/** Failures leave none of `waitMs`: only what may still run somewhere is waited out. */
function waitText({ backoffUntilAt = 0, waitMs, attempt, failures }: RunContext): string {
  const until = `waits until ${formatInstant(backoffUntilAt)}`;
  if (waitMs !== undefined) return `${until}: its lost attempt ${attempt} may still run`;
  return `${until} after ${failures} failed ${failures === 1 ? 'try' : 'tries'}`;
}

function heldText({ hold = { by: '?', note: '' } }: RunContext): string {
  return `held ${holdText(hold)}`;
}

function remedyOf({ verdict, obstacles }: Verdict, facts: RunFacts): string {
  const named = (predicate: string) =>
    obstacles.filter((obstacle) => obstacle.predicate === predicate).map(({ name }) => name);
  switch (verdict) {
    case 'none_can_ever': {
      const arch = facts.arch === undefined ? '' : ` --arch ${facts.arch}`;
      const labels = Object.entries(facts.labels).map(([key, value]) => ` --label ${key}=${value}`);
      return `start a slave with${arch}${labels.join('') || (arch === '' ? ' enough resources' : '')}`;
    }
    case 'offline':
      return `bring back ${named('offline').join(' or ')}`;
    case 'draining':
      return `runyard slave resume ${named('draining')[0]}`;
    case 'all_busy':
      return 'wait for a slot, raise its priority, or add a slave';
  }
}

async function decisionsOn(yard: Yard, store: StateStore, run: RunRecord) {
  const path = classPath(yard.queue.classOf(run.facts));
  const decisions: WhyAnswer['decisions'] = [];
  const range = { gte: keys.decision(path, 0), lt: `${keys.decision(path, 0).slice(0, -15)}:` };
  let before: WhyAnswer['decisions'][number] | undefined;
  for await (const { value } of store.scan(range)) {
    const { at, verdict, summary } = unpack<DecisionRecord>(value);
    const told = { at: formatInstant(at), verdict, summary };
    if (at < run.facts.createdAt) before = told;
    else if (at <= (run.context.startedAt ?? Infinity)) decisions.push(told);
  }
  return before ? [before, ...decisions] : decisions;
}
