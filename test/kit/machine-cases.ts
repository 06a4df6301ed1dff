import { expect, test } from 'vitest';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { deriveTable } from '../../src/machines/table.ts';

/** One situation of a machine and what must come of it. */
export interface Case<Context, Event, Effect> {
  in: string;
  on: Event;
  /** What makes this situation another than those of the same state and event. */
  when?: string;
  has?: Partial<Context>;
  /** undefined: the machine does not react. */
  to: string | undefined;
  /** Context afterwards, as far as it matters; `undefined` values must be absent or undefined. */
  facts?: Partial<Context>;
  effects?: readonly Effect[];
}

/** Makes a test of each case, and one that fails while a transition has no case. */
export function testCases<
  Context extends object,
  Event extends { type: string },
  Effect extends string,
>(machine: AnyStateMachine, context: Context, cases: readonly Case<Context, Event, Effect>[]) {
  const table = deriveTable<Context, Event, Effect>(machine);
  for (const { in: state, on, when, has, to, facts, effects = [] } of cases) {
    const whenText = when === undefined ? '' : ` when ${when}`;
    const verdict = to === undefined ? 'is ignored' : `leads to ${to}`;
    test(`${on.type} in ${state}${whenText} ${verdict}`, () => {
      const before = { ...context, ...has };
      const decision = table.decide(state, before, on);
      expect(decision?.state).toBe(to);
      if (!decision) return;
      expect(decision.effects).toEqual(effects);
      const wanted: Partial<Context> = facts ?? {};
      for (const key of Object.keys(wanted) as (keyof Context)[]) {
        expect({ [key]: decision.context[key] }).toEqual({ [key]: wanted[key] });
      }
    });
  }

  test('every transition of the definition is taken by a case', () => {
    const taken = new Set(
      cases.map(({ in: state, on, has }) => findRow(machine, state, { ...context, ...has }, on)),
    );
    expect(rowsOf(machine).filter((row) => !taken.has(row))).toEqual([]);
  });
}

/**
 * Every transition that can be taken in a leaf, as `leaf event [n guard]`: those of the leaf first,
 * then those of its parents; none after one that always holds where those before it do not.
 */
function rowsOf(machine: AnyStateMachine): string[] {
  return leavesOf(machine.root).flatMap((leaf) =>
    [...rowsOfLeaf(leaf)].flatMap(([eventType, guards]) => {
      const end = guards.findIndex((guard) => guard === undefined);
      const reachable = end < 0 ? guards : guards.slice(0, end + 1);
      return reachable
        .filter((guard, index) => !isShadowed(guard, reachable.slice(0, index)))
        .map((guard) => rowName(leaf, eventType, guard));
    }),
  );
}

/** A guard that was asked before, or that only holds where one that was asked before does. */
function isShadowed(guard: string | undefined, before: readonly (string | undefined)[]): boolean {
  return before.some((earlier) => guard !== undefined && IMPLIES[guard]?.includes(earlier!));
}

const OF_CURRENT = ['isCurrent'];
const IMPLIES: Record<string, readonly string[]> = {
  isCurrent: ['isCurrent'],
  isWorthARetry: [...OF_CURRENT, 'isWorthARetry'],
  isGivenBack: [...OF_CURRENT, 'isGivenBack', 'wasStopped'],
  hasExited: [...OF_CURRENT, 'hasExited'],
  hasTimedOut: [...OF_CURRENT, 'hasTimedOut'],
  wasAborted: [...OF_CURRENT, 'wasAborted', 'wasStopped'],
  isOnThatSlave: [...OF_CURRENT, 'isOnThatSlave'],
  mayStillLive: [...OF_CURRENT, 'isOnThatSlave'],
  isOneLossTooMany: [...OF_CURRENT, 'isOnThatSlave'],
  isHeldGivenBack: [...OF_CURRENT, 'isGivenBack', 'wasStopped'],
  isHeldOnThatSlave: [...OF_CURRENT, 'isOnThatSlave'],
};

function findRow(
  machine: AnyStateMachine,
  state: string,
  context: unknown,
  event: { type: string },
): string | undefined {
  const leaf = leavesOf(machine.root).find((node) => node.path.join('.') === state)!;
  const guards = rowsOfLeaf(leaf).get(event.type) ?? [];
  for (const guard of guards) {
    const holds = guard === undefined || holdsIn(machine, guard, { context, event });
    if (holds) return rowName(leaf, event.type, guard);
  }
  return undefined;
}

function holdsIn(machine: AnyStateMachine, guard: string, step: object): boolean {
  const implementation = machine.implementations.guards[guard] as unknown as (
    step: object,
  ) => boolean;
  return implementation(step);
}

function rowsOfLeaf(leaf: AnyStateNode): Map<string, (string | undefined)[]> {
  const rows = new Map<string, (string | undefined)[]>();
  for (
    let node: AnyStateNode | undefined = leaf.type === 'final' ? undefined : leaf;
    node;
    node = node.parent
  ) {
    for (const [eventType, transitions] of node.transitions) {
      const guards = transitions.map(({ guard }) => guard as string | undefined);
      rows.set(eventType, [...(rows.get(eventType) ?? []), ...guards]);
    }
  }
  return rows;
}

function rowName(leaf: AnyStateNode, eventType: string, guard: string | undefined): string {
  return `${leaf.path.join('.')} ${eventType}${guard === undefined ? '' : ` [${guard}]`}`;
}

function leavesOf(node: AnyStateNode): AnyStateNode[] {
  const children = Object.values(node.states) as AnyStateNode[];
  return children.length === 0 ? [node] : children.flatMap(leavesOf);
}
