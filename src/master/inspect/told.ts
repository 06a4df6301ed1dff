/**
 * What devtools are told of events and contexts: an allow-list. A field that the machines gain does
 * not compile until it is decided here whether it is a secret.
 */
import type { RunContext, RunEvent, RunEventType } from '../../machines/run-context.ts';
import type { SlaveContext } from '../../machines/slave.ts';
import type { RunFacts, SlaveRecord } from '../records.ts';

type Telling = 'told' | 'secret';
type Fields<T> = { readonly [K in keyof Required<T>]: Telling };
type Of<T extends RunEventType> = Omit<Extract<RunEvent, { type: T }>, 'type' | 'at'>;

const EVENTS: { readonly [T in RunEventType]: Fields<Of<T>> } = {
  'run.submitted': {},
  'run.unblocked': { blocker: 'told' },
  'run.blockerFailed': { blocker: 'told', why: 'told' },
  'run.held': { by: 'told', note: 'told' },
  'run.released': { by: 'told' },
  'run.granted': { slave: 'told', token: 'secret' },
  'attempt.accepted': { attempt: 'told', slave: 'told' },
  'attempt.rejected': { attempt: 'told', slave: 'told', why: 'told' },
  'attempt.executing': { attempt: 'told' },
  'attempt.collecting': { attempt: 'told' },
  'attempt.adopted': { attempt: 'told', slave: 'told' },
  'attempt.finished': {
    attempt: 'told',
    slave: 'told',
    ending: 'told',
    jitter: 'told',
    outputs: 'told',
    artifacts: 'told',
    notes: 'told',
  },
  'slave.lost': { slave: 'told', attempt: 'told', why: 'told', waitMs: 'told' },
  'abort.requested': { by: 'told', why: 'told' },
  'queue.expired': {},
  'backoff.over': {},
  'run.overdue': {},
  'stop.overdue': {},
};

const RUN_CONTEXT: Fields<RunContext> = {
  limits: 'told',
  attempt: 'told',
  settled: 'told',
  failures: 'told',
  lost: 'told',
  blockers: 'told',
  ahead: 'told',
  slave: 'told',
  token: 'secret',
  queuedAt: 'told',
  startedAt: 'told',
  finishedAt: 'told',
  backoffUntilAt: 'told',
  stopUntilAt: 'told',
  waitMs: 'told',
  hold: 'told',
  abort: 'told',
  ending: 'told',
  reason: 'told',
  error: 'told',
  outputs: 'told',
  artifacts: 'told',
  notes: 'told',
};

const RUN_FACTS: Fields<RunFacts> = {
  name: 'told',
  job: 'told',
  arch: 'told',
  labels: 'told',
  resources: 'told',
  isolation: 'told',
  priority: 'told',
  exclusive: 'told',
  requestor: 'told',
  bundle: 'told',
  createdAt: 'told',
};

const SLAVE_CONTEXT: Fields<SlaveContext> = {
  drain: 'told',
  incarnation: 'told',
  seenAt: 'told',
  losses: 'told',
  whyGone: 'told',
};

const SLAVE_FACTS: Fields<SlaveRecord['facts']> = {
  arch: 'told',
  labels: 'told',
  slots: 'told',
  resources: 'told',
  isolations: 'told',
  version: 'told',
  host: 'told',
};

export type Told = Record<string, unknown>;

/** What an event carries beside its type and instant. Of a type that is not listed: nothing. */
export function toldEvent(event: { type: string } & Record<string, unknown>): Told {
  const fields = Object.hasOwn(EVENTS, event.type) ? EVENTS[event.type as RunEventType] : {};
  return pick(event, fields);
}

export function toldContext(context: RunContext): Told {
  return pick(context as unknown as Told, RUN_CONTEXT);
}

export function toldFacts(facts: RunFacts): Told {
  return pick(facts as unknown as Told, RUN_FACTS);
}

export function toldSlave({ context, facts }: SlaveRecord): Told {
  return {
    ...pick(facts as unknown as Told, SLAVE_FACTS),
    ...pick(context as unknown as Told, SLAVE_CONTEXT),
  };
}

function pick(value: Told, fields: Readonly<Record<string, Telling>>): Told {
  const told: Told = {};
  for (const name in fields) {
    if (fields[name] === 'told' && value[name] !== undefined) told[name] = value[name];
  }
  return told;
}
