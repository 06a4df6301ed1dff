/** L1 to L5, L7 to L9: all comes to an end, and nothing is left over. */
import { isDone } from '../../../src/protocol/run.ts';
import { classKey, permanentObstacle } from '../../../src/master/placement.ts';
import type { RunFacts } from '../../../src/master/records.ts';
import type { Scenario } from '../scenario.ts';
import type { Change, Step } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

/** How many grants of others an eligible run may see go by. */
const BYPASSED_MAX = 3;
const BACKOFF_MAX_MS = 5_000;
const SERVES_WITHIN_MS = 10_000;
/** Grants of a run beyond its tries, as when its slave was drained before it heard. */
const GIVEN_BACK_MAX = 3;

/** How long after the last fault what it did may still show: leases that it ended, slaves that are gone. */
export function calmAfterMs({ leaseMs }: Pick<Scenario, 'leaseMs'>): number {
  return 4 * leaseMs + 4 * BACKOFF_MAX_MS + 60_000;
}

export const livenessOracles: MakeOracle = (sight) => {
  const { mirror, master, slaves, scenario, report } = sight;
  const bypassed = new Map<string, number>();
  /** Runs that this master has queued: those with the same needs go in that order. */
  const places = new Map<string, { number: number; ahead: boolean }>();
  let placed = 0;
  /** The class of each run that was compared. */
  const classes = new Map<string, string>();

  function classOf(id: string, facts: RunFacts): string {
    const known = classes.get(id);
    if (known !== undefined) return known;
    const key = classKey(facts);
    classes.set(id, key);
    return key;
  }

  /**
   * Those in the queue at this step, in order, by the event with which they came. Clocks jump, the
   * numbers of events do not; and one write may hold many steps.
   */
  const queuedBy = new Map<string, number>();

  /** An eligible run of the same or a higher priority waits while later ones are granted. */
  function checkFair({ event, before, after }: Step): void {
    const isComing = after.state === 'PENDING.queued' && before.state !== after.state;
    const cameBy = queuedBy.get(event.run);
    if (isComing || after.state !== 'PENDING.queued') queuedBy.delete(event.run);
    if (isComing) queuedBy.set(event.run, event.seq);
    const { run, event: happened } = event;
    if (happened.type !== 'run.granted') return bypassedNoMore(event.run);
    bypassed.delete(run);
    const granted = mirror.runs.get(run);
    const room = master.master?.yard.rooms.get(String(happened['slave']));
    if (!granted || !room || before.context.ahead) return;
    /** By what is needed: many that wait need the same. */
    const could = new Map<string, boolean>();
    for (const [id, seq] of queuedBy) {
      if (seq >= cameBy!) break;
      const waits = mirror.runs.get(id);
      if (!waits || waits.facts.priority < granted.facts.priority) continue;
      const needs = classOf(id, waits.facts);
      if (!could.has(needs)) could.set(needs, !permanentObstacle(waits.facts, room));
      if (!could.get(needs)) continue;
      const count = (bypassed.get(id) ?? 0) + 1;
      bypassed.set(id, count);
      if (count > BYPASSED_MAX * room.slots + 10) {
        report('L4', `run ${id} waits, ${count} later ones were granted on ${room.name}`);
      }
    }
  }

  /** Among runs with the same needs: the higher priority, then after a loss, then as they came. */
  function checkOrder({ event, before, after }: Step): void {
    const { run } = event;
    const place = places.get(run);
    if (after.state !== 'PENDING.queued') places.delete(run);
    else if (before.state !== after.state) {
      places.set(run, { number: ++placed, ahead: after.context.ahead });
    }
    const facts = mirror.runs.get(run)?.facts;
    if (!place || !facts || event.event.type !== 'run.granted') return;
    const needs = classOf(run, facts);
    for (const id of mirror.queued) {
      const waiting = places.get(id);
      const other = mirror.runs.get(id)?.facts;
      if (!waiting || !other || other.priority < facts.priority) continue;
      if (classOf(id, other) !== needs) continue;
      const isFirst =
        other.priority > facts.priority ||
        (waiting.ahead === place.ahead ? waiting.number < place.number : waiting.ahead);
      if (isFirst) report('L4', `run ${run} is granted before ${id}, which needs the same`);
    }
  }

  function bypassedNoMore(run: string): void {
    if (mirror.folds.get(run)?.state !== 'PENDING.queued') bypassed.delete(run);
  }

  /** Grants of each run since all has been calm. */
  const calmGrants = new Map<string, number>();
  const losses = new Map<string, number>();

  /** No slave is lost any more, and no run is tried more often than its own failures ask for. */
  function checkCalm({ steps, slaves: changed }: Change): void {
    const lost = changed.filter(({ name, context }) => context.losses > (losses.get(name) ?? 0));
    for (const { name, context } of lost) losses.set(name, context.losses);
    const { healedAtMs, nowMs } = sight;
    if (healedAtMs === undefined || nowMs < healedAtMs + calmAfterMs(scenario)) return;
    const ms = Math.round(nowMs - healedAtMs);
    for (const { name } of lost) report('L9', `${name} is lost ${ms} ms after all is well`);
    for (const { event } of steps) {
      const { run, event: happened } = event;
      if (happened.type === 'slave.lost') {
        report('L9', `run ${run} loses its slave ${ms} ms after all is well`);
      }
      if (happened.type !== 'run.granted') continue;
      const count = (calmGrants.get(run) ?? 0) + 1;
      calmGrants.set(run, count);
      const { retries = 0 } = mirror.runs.get(run)?.context.limits ?? {};
      if (count > retries + GIVEN_BACK_MAX) {
        report('L9', `run ${run} was granted ${count} times since all is calm`);
      }
    }
  }

  /** What was turned down or has ended takes no slot, from before that is on disk. */
  function checkFreed({ event: { run, event } }: Step): void {
    const { type, attempt, slave } = event;
    if (type !== 'attempt.rejected' && type !== 'attempt.finished') return;
    const key = `${run}.${String(attempt)}`;
    const room = master.master?.yard.rooms.get(String(slave));
    if (room?.used.has(key)) report('L2', `${key} is over, and has its slot of ${room.name} still`);
  }

  function checkEnds(): void {
    for (const [id, { state, context }] of mirror.folds) {
      if (!isDone(state)) {
        report('L1', `run ${id} is ${state} for ever, at attempt ${context.attempt}`);
      }
    }
    for (const what of sight.openRequests()) report('L3', `${what} has no answer`);
  }

  function checkLeaks(): void {
    const { yard } = master.master ?? {};
    if (!yard) return report('L8', 'no master serves');
    for (const { id, state } of yard.ledger.liveRuns()) report('L2', `run ${id} lives, ${state}`);
    for (const { name, used } of yard.rooms.values()) {
      if (used.size > 0) report('L2', `slots of ${name} are used by ${[...used.keys()].join(' ')}`);
    }
    if (yard.queue.size > 0) report('L2', `${yard.queue.size} runs are queued`);
    for (const { plan, isGone, agent, journal, processes } of slaves.values()) {
      if (isGone) continue;
      const { name } = plan;
      if (agent?.state !== 'SERVING') report('L5', `${name} is ${agent?.state ?? 'not up'}`);
      for (const [key, { phase }] of agent?.attempts ?? []) {
        report('L2', `${name} still has ${key}, ${phase}`);
      }
      for (const key of journal.directories.keys()) {
        // What a disk would not let go is looked at again after the next start.
        if (!journal.unremoved.has(key)) report('L2', `${name} keeps ${key} on disk`);
      }
      for (const { key, end, children } of processes.all.values()) {
        if (!end || children > 0) report('L2', `process ${key} lives on ${name}`);
      }
    }
  }

  return {
    onChange(change) {
      for (const step of change.steps) {
        checkFair(step);
        checkOrder(step);
        checkFreed(step);
      }
      checkCalm(change);
    },
    onSlaveSends({ plan, agent }, message) {
      if (message.type !== 'goodbye' || message.reason !== 'drained') return;
      for (const key of agent?.attempts.keys() ?? []) {
        report('L2', `${plan.name} says goodbye, and has ${key} still`);
      }
    },
    onDrainOver(slave) {
      const count = mirror.roomTaken(slave);
      if (count > 0) report('L7', `${slave} is drained for long, and has ${count} attempts`);
    },
    onMasterServes() {
      // What it found on its disk it has queued in an order of its own.
      places.clear();
      const { healedAtMs } = sight;
      const startedMs = master.startedAt / 1000;
      const ms = sight.nowMs - startedMs;
      const isCalm = healedAtMs !== undefined && startedMs > healedAtMs;
      if (isCalm && ms > SERVES_WITHIN_MS) report('L8', `the master served after ${ms} ms`);
    },
    onEnd(isStuck) {
      checkEnds();
      if (!isStuck) checkLeaks();
    },
  };
};
