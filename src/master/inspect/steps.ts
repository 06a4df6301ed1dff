/** A run's history as steps: the fold of its events, with what each changed. Pure. */
import { formatInstant } from '../../base/units.ts';
import type { RunContext, RunEffect, RunEvent } from '../../machines/run-context.ts';
import type { RunStep } from '../../protocol/devtools.ts';
import { isDone } from '../../protocol/run.ts';
import { beginningOf } from '../beginning.ts';
import { runTable } from '../ledger.ts';
import type { EventRecord, RunOrigin, RunRecord } from '../records.ts';
import { toldContext, toldEvent } from './told.ts';

/** A run between two of its events. */
export interface Stand {
  state: string;
  context: RunContext;
}

/** Where the run stood before its first event. */
export function standBefore(
  run: RunRecord,
  origin: RunOrigin,
  events: readonly EventRecord[],
): Stand {
  return { state: 'NEW', context: beginningOf(run, origin, events) };
}

/** Where an event leads; where the machine of today takes it no more, as it was written. */
export function standAfter({ state, context }: Stand, { event, state: told }: EventRecord) {
  const decision = runTable.decide(state, context, event as RunEvent);
  return decision ?? { state: told, context, effects: [] as readonly RunEffect[] };
}

export function stepsOf(
  run: RunRecord,
  origin: RunOrigin,
  events: readonly EventRecord[],
): RunStep[] {
  let stand = standBefore(run, origin, events);
  return events.map((record) => {
    const after = standAfter(stand, record);
    const step = stepOf(record, stand, after, after.effects);
    stand = after;
    return step;
  });
}

export function stepOf(
  record: EventRecord,
  before: Stand,
  after: Stand,
  effects: readonly RunEffect[],
): RunStep {
  const { seq, run, n, by, event } = record;
  const context = toldContext(after.context);
  const reason = reasonOf(event, after);
  const { blocker } = event;
  return {
    seq,
    n,
    at: formatInstant(event.at),
    type: event.type,
    from: typeof blocker === 'string' ? `run/${blocker}` : actorOf(by),
    to: `run/${run}`,
    before: before.state,
    after: after.state,
    ...(reason === undefined ? {} : { reason }),
    event: toldEvent(event),
    context,
    changed: changesOf(toldContext(before.context), context),
    effects: [...effects],
    sent: effects.flatMap((effect) => sentBy(effect, after.context)),
  };
}

function reasonOf(event: EventRecord['event'], { state, context }: Stand): string | undefined {
  if (isDone(state)) return context.reason;
  const text = event['why'] ?? event['note'];
  return typeof text === 'string' && text !== '' ? text : undefined;
}

/** Who told the master: as a history names it, as an actor's name. */
export function actorOf(by: string): string {
  if (by.startsWith('slave/') || by === 'clock' || by === 'master') return by;
  return by === 'scheduler' ? 'master' : `user/${by}`;
}

function sentBy(effect: RunEffect, { slave }: RunContext): RunStep['sent'] {
  if (slave === undefined) return [];
  if (effect === 'sendAssign') return [{ to: `slave/${slave}`, type: 'assign' }];
  return effect === 'sendStop' ? [{ to: `slave/${slave}`, type: 'stop' }] : [];
}

function changesOf(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter(
    (name) => before[name] !== after[name] && !isSame(before[name], after[name]),
  );
}

/** Both are data, made in the same order by the same code. */
function isSame(a: unknown, b: unknown): boolean {
  return typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b);
}
