/**
 * The frames of `@statelyai/inspect` 0.7, made from steps and records that hold no secret. Pure: it
 * is called only while an inspector is connected.
 */
import type { AnyStateMachine } from 'xstate';
import { runMachine } from '../../machines/run.ts';
import { slaveMachine } from '../../machines/slave.ts';
import { isDone } from '../../protocol/run.ts';
import type { EventRecord, RunRecord, SlaveRecord } from '../records.ts';
import { actorOf } from './steps.ts';
import type { Stand } from './steps.ts';
import { toldContext, toldEvent, toldFacts, toldSlave } from './told.ts';

const PROTOCOL_VERSION = '0.7.2';
const ROOT = 'master';

/** One text frame; receivers pass over fields that they do not know, such as `seq`. */
export interface StatelyFrame {
  type: '@xstate.actor' | '@xstate.event' | '@xstate.snapshot';
  sessionId: string;
  rootId: string;
  /** Milliseconds since 1970. */
  createdAt: string;
  id: null;
  _version: string;
  name?: string;
  parentId?: string | undefined;
  sourceId?: string;
  definition?: string;
  event?: object;
  snapshot?: object;
  /** The number of the yard's event: what to resume by. */
  seq?: number;
}

function frame(
  type: StatelyFrame['type'],
  sessionId: string,
  wallMs: number,
  more: Partial<StatelyFrame>,
): StatelyFrame {
  const base = { rootId: ROOT, createdAt: String(wallMs), id: null, _version: PROTOCOL_VERSION };
  return { type, sessionId, ...more, ...base };
}

export function masterFrame(wallMs: number, context: object): StatelyFrame {
  const definition = JSON.stringify({ id: ROOT, initial: 'SERVING', states: { SERVING: {} } });
  const snapshot = snapshotOf('SERVING', context);
  return frame('@xstate.actor', ROOT, wallMs, { name: ROOT, definition, snapshot });
}

export function slaveFrame(wallMs: number, slave: SlaveRecord): StatelyFrame {
  return frame('@xstate.actor', `slave/${slave.name}`, wallMs, {
    name: `slave/${slave.name}`,
    parentId: ROOT,
    definition: definitionOf(slaveMachine),
    snapshot: snapshotOf(slave.state, toldSlave(slave)),
  });
}

/** A run as it stands, or stood before the first event that is to follow. */
export function runFrame(wallMs: number, run: RunRecord, stand: Stand): StatelyFrame {
  const { id, facts } = run;
  return frame('@xstate.actor', `run/${id}`, wallMs, {
    name: facts.name === undefined ? `run/${id}` : `run/${id} ${facts.name}`,
    parentId: ROOT,
    definition: definitionOf(runMachine),
    snapshot: runSnapshot(run, stand),
  });
}

/** What came to a run, and how it then stands. */
export function eventFrames(record: EventRecord, run: RunRecord, after: Stand): StatelyFrame[] {
  const { seq, by } = record;
  const { type, at } = record.event;
  const event = { type, ...toldEvent(record.event) };
  const sessionId = `run/${record.run}`;
  return [
    frame('@xstate.event', sessionId, at, { event, sourceId: actorOf(by), seq }),
    frame('@xstate.snapshot', sessionId, at, { event, snapshot: runSnapshot(run, after), seq }),
  ];
}

function snapshotOf(state: string, context: object, isOver = false): object {
  return {
    status: isOver ? 'done' : 'active',
    value: valueOf(state.split('.')),
    context,
    tags: [],
    children: {},
    historyValue: {},
  };
}

function runSnapshot({ facts }: Pick<RunRecord, 'facts'>, { state, context }: Stand): object {
  const isOver = state !== 'NEW' && isDone(state);
  return snapshotOf(state, { ...toldFacts(facts), ...toldContext(context) }, isOver);
}

function valueOf([outer, ...inner]: string[]): string | object {
  return inner.length === 0 ? outer! : { [outer!]: valueOf(inner) };
}

const definitions = new Map<AnyStateMachine, string>();

function definitionOf(machine: AnyStateMachine): string {
  let text = definitions.get(machine);
  if (text === undefined) {
    text = JSON.stringify(machine.config, (_, value: unknown) =>
      typeof value === 'function' ? { type: value.name } : value,
    );
    definitions.set(machine, text);
  }
  return text;
}
