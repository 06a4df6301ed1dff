/** A machine as a flat chart: its states and every transition, in the order of the definition. */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { assert } from '../base/errors.ts';
import type { Chart, ChartTransition } from '../protocol/devtools.ts';

export function chartOf(machine: AnyStateMachine): Chart {
  const { root } = machine;
  const nodes = nodesBelow(root);
  return {
    id: machine.id,
    initial: pathOf(firstLeaf(root)),
    states: nodes.map((node) => ({
      path: pathOf(node),
      ...(node.parent === root ? {} : { parent: pathOf(node.parent!) }),
      type: node.type === 'final' ? 'final' : node.type === 'compound' ? 'compound' : 'atomic',
      ...(node.type === 'compound' ? { initial: pathOf(firstLeaf(node)) } : {}),
    })),
    transitions: [root, ...nodes].flatMap((node) => transitionsOf(machine, node)),
  };
}

function transitionsOf(machine: AnyStateMachine, node: AnyStateNode): ChartTransition[] {
  return [...node.transitions].flatMap(([event, transitions]) =>
    transitions.map((transition): ChartTransition => {
      const names = transition.actions.map(nameOf);
      const target = transition.target?.[0] as AnyStateNode | undefined;
      return {
        source: pathOf(node),
        event,
        ...(transition.guard === undefined ? {} : { guard: nameOf(transition.guard) }),
        ...(target === undefined ? {} : { target: pathOf(firstLeaf(target)) }),
        changes: names.filter((name) => isChange(machine, name)),
        effects: names.filter((name) => !isChange(machine, name)),
      };
    }),
  );
}

/** What a run of the machine that stands there would answer to: a state's own answers come first. */
export function answersOf({ transitions, states }: Chart, state: string): ChartTransition[] {
  if (states.find(({ path }) => path === state)?.type === 'final') return [];
  const parts = state.split('.');
  const path = parts.map((_, index) => parts.slice(0, parts.length - index).join('.'));
  return [...path, ''].flatMap((source) => transitions.filter((one) => one.source === source));
}

export function isChange(machine: AnyStateMachine, action: string): boolean {
  const implementation = machine.implementations.actions[action];
  assert(implementation, `action ${action} exists`);
  return 'assignment' in implementation;
}

export function nameOf(part: unknown): string {
  assert(typeof part === 'string', 'guards and actions are named');
  return part;
}

function nodesBelow(node: AnyStateNode): AnyStateNode[] {
  const children = Object.values(node.states) as AnyStateNode[];
  return children.flatMap((child) => [child, ...nodesBelow(child)]);
}

/** Where a transition to a state really leads. */
function firstLeaf(node: AnyStateNode): AnyStateNode {
  const initial = node.initial?.target[0] as AnyStateNode | undefined;
  return initial ? firstLeaf(initial) : node;
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}
