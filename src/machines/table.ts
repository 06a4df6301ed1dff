/**
 * A machine's transitions as a table, derived from its xstate definition, for the hot path: xstate's
 * pure `transition` makes a new actor for each event (perf.md 1.3). A test holds the two equal. It
 * covers what our durable machines use: compound states, guards and actions by name, `assign`.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { assert } from '../base/errors.ts';

export interface Decision<Context, Effect extends string> {
  /** Dotted path of the leaf. */
  state: string;
  context: Context;
  effects: readonly Effect[];
}

export interface Decider<Context, Event, Effect extends string> {
  /** undefined: the machine does not react to this event in that state; done states never do. */
  decide: (state: string, context: Context, event: Event) => Decision<Context, Effect> | undefined;
  /** Leaves, in the order of the definition. */
  states: readonly string[];
  /** Whether that state has a transition for that event, whatever its guard says. */
  knows: (state: string, eventType: string) => boolean;
}

type Args<Context, Event> = { context: Context; event: Event };
type Update<Context, Event> = (args: Args<Context, Event>) => Partial<Context>;

interface Row<Context, Event, Effect> {
  guard: ((args: Args<Context, Event>, params: undefined) => boolean) | undefined;
  /** undefined: stays where it is. */
  target: string | undefined;
  updates: Update<Context, Event>[];
  effects: Effect[];
}

export function deriveTable<Context, Event extends { type: string }, Effect extends string>(
  machine: AnyStateMachine,
): Decider<Context, Event, Effect> {
  const table = new Map<string, Map<string, Row<Context, Event, Effect>[]>>();
  for (const leaf of leavesOf(machine.root)) {
    const rows = new Map<string, Row<Context, Event, Effect>[]>();
    // A done machine reacts to nothing; the pure `transition` of xstate would.
    let node: AnyStateNode | undefined = leaf.type === 'final' ? undefined : leaf;
    for (; node; node = node.parent) {
      for (const [eventType, transitions] of node.transitions) {
        const read = transitions.map((transition) => readRow(machine, transition));
        rows.set(eventType, [...(rows.get(eventType) ?? []), ...(read as never[])]);
      }
    }
    table.set(pathOf(leaf), rows);
  }

  return {
    states: [...table.keys()],
    knows: (state, eventType) => table.get(state)?.has(eventType) ?? false,
    decide(state, context, event) {
      const rows = table.get(state)?.get(event.type);
      if (!rows) return undefined;
      const step = { context, event };
      for (const { guard, target = state, updates, effects } of rows) {
        if (guard && !guard(step, undefined)) continue;
        return { state: target, context: apply(updates, step), effects };
      }
      return undefined;
    },
  };
}

/** One copy for all the updates: each sees what those before it changed, as in xstate. */
function apply<Context, Event>(
  updates: readonly Update<Context, Event>[],
  { context, event }: Args<Context, Event>,
): Context {
  if (updates.length === 0) return context;
  // As large as what it copies: from an empty object, 100,000 waiting runs take half as much again.
  const next = { ...context };
  for (const update of updates) {
    const changes = update({ context: next, event });
    for (const name in changes) next[name] = changes[name]!;
  }
  return next;
}

function readRow(
  machine: AnyStateMachine,
  transition: AnyStateNode['transitions'] extends Map<string, (infer T)[]> ? T : never,
): Row<unknown, unknown, string> {
  const row: Row<unknown, unknown, string> = {
    guard: undefined,
    target: transition.target?.[0] && pathOf(firstLeaf(transition.target[0])),
    updates: [],
    effects: [],
  };
  if (transition.guard !== undefined) {
    assert(typeof transition.guard === 'string', 'guards are named');
    row.guard = machine.implementations.guards[transition.guard] as never;
    assert(row.guard, `guard ${transition.guard} exists`);
  }
  for (const action of transition.actions) {
    assert(typeof action === 'string', 'actions are named');
    const implementation = machine.implementations.actions[action] as unknown as {
      assignment?: Update<unknown, unknown>;
    };
    assert(implementation, `action ${action} exists`);
    if (implementation.assignment) row.updates.push(implementation.assignment);
    else row.effects.push(action);
  }
  return row;
}

function leavesOf(node: AnyStateNode): AnyStateNode[] {
  const children = Object.values(node.states) as AnyStateNode[];
  return children.length === 0 ? [node] : children.flatMap(leavesOf);
}

function firstLeaf(node: AnyStateNode): AnyStateNode {
  const initial = node.initial?.target[0];
  return initial ? firstLeaf(initial as AnyStateNode) : node;
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}
