/**
 * Draws machines as mermaid state diagrams, from their definitions: what the documents show is what
 * decides. An arrow reads `event [guard] / effects`; changes of the context are left out.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { assert } from '../base/errors.ts';
import { agentMachine } from './agent.ts';
import { isChange, nameOf } from './chart.ts';
import { jobMachine } from './job.ts';
import { runMachine } from './run.ts';
import { slaveMachine } from './slave.ts';

/** The drawings that documents can hold, by the names that their markers use. */
export const DRAWINGS: Readonly<Record<string, () => string>> = {
  run: () => drawMachine(runMachine),
  'run-outline': () => drawOutline(runMachine),
  job: () => drawMachine(jobMachine),
  slave: () => drawMachine(slaveMachine),
  agent: () => drawMachine(agentMachine),
};

interface Arrow {
  source: AnyStateNode;
  target: AnyStateNode;
  label: string;
}

/** Every state and every transition of a machine. */
export function drawMachine(machine: AnyStateMachine): string {
  const { root } = machine;
  const lines = ['stateDiagram-v2', ...statesOf(root, 1), `  [*] --> ${idOf(firstLeaf(root))}`];
  const arrows = nodesBelow(root, true).flatMap((node) => arrowsFrom(machine, node));
  lines.push(...arrowLines(arrows));
  for (const node of nodesBelow(root)) {
    if (node.type === 'final') lines.push(`  ${idOf(node)} --> [*]`);
  }
  return `${lines.join('\n')}\n`;
}

/** The outermost states, and between them the names of the events that lead from one to another. */
export function drawOutline(machine: AnyStateMachine): string {
  const { root } = machine;
  const arrows = nodesBelow(root)
    .flatMap((node) => arrowsFrom(machine, node))
    .map(({ source, target, label }) => ({
      source: outermost(source),
      target: outermost(target),
      label: label.split(' ')[0]!,
    }))
    .filter(({ source, target }) => source !== target);
  const lines = ['stateDiagram-v2', `  [*] --> ${idOf(outermost(firstLeaf(root)))}`];
  lines.push(...arrowLines(arrows));
  for (const node of children(root))
    if (node.type === 'final') lines.push(`  ${idOf(node)} --> [*]`);
  return `${lines.join('\n')}\n`;
}

/**
 * The document with each block between `<!-- drawn: NAME -->` and `<!-- /drawn -->` drawn anew; the
 * rest is left as it is.
 */
export function withDrawings(markdown: string): string {
  return markdown.replaceAll(
    /(<!-- drawn: ([\w-]+) -->\n)[^]*?(<!-- \/drawn -->)/g,
    (_, opening: string, name: string, closing: string) => {
      const draw = DRAWINGS[name];
      assert(draw, `there is a drawing called ${name}`);
      return `${opening}\n\`\`\`mermaid\n${draw()}\`\`\`\n\n${closing}`;
    },
  );
}

/** What stands inside what; a state that nothing surrounds needs no line of its own. */
function statesOf(node: AnyStateNode, depth: number): string[] {
  const indent = '  '.repeat(depth);
  return children(node).flatMap((child) => {
    const name = child.key === idOf(child) ? child.key : `"${child.key}" as ${idOf(child)}`;
    const inside = statesOf(child, depth + 1);
    if (children(child).length > 0) return [`${indent}state ${name} {`, ...inside, `${indent}}`];
    return depth === 1 ? [] : [`${indent}state ${name}`];
  });
}

function arrowsFrom(machine: AnyStateMachine, node: AnyStateNode): Arrow[] {
  return [...node.transitions].flatMap(([eventType, transitions]) =>
    transitions.flatMap((transition): Arrow[] => {
      const guard = transition.guard === undefined ? '' : ` [${nameOf(transition.guard)}]`;
      const effects = transition.actions
        .map(nameOf)
        .filter((name) => !isChange(machine, name))
        .join(', ');
      const label = `${eventType}${guard}${effects === '' ? '' : ` / ${effects}`}`;
      const named = transition.target?.[0] as AnyStateNode | undefined;
      const target = named && firstLeaf(named);
      return sourcesOf(node, eventType, target).map((source) => ({
        source,
        target: target ?? source,
        label,
      }));
    }),
  );
}

/**
 * Where a transition's arrows begin. One into a part of its own state cannot be drawn from that
 * state's edge, nor one of the machine as a whole from anywhere: each state inside gets its own,
 * unless it has an answer to that event itself.
 */
function sourcesOf(
  node: AnyStateNode,
  eventType: string,
  target: AnyStateNode | undefined,
): AnyStateNode[] {
  const isWhole = node.parent === undefined;
  const isInward = target !== undefined && target !== node && isInside(target, node);
  if (!isWhole && !isInward) return [node];
  return leavesBelow(node).filter(
    (leaf) => leaf.type !== 'final' && leaf !== target && !answers(leaf, eventType, node),
  );
}

function answers(leaf: AnyStateNode, eventType: string, upTo: AnyStateNode): boolean {
  for (let at: AnyStateNode | undefined = leaf; at && at !== upTo; at = at.parent) {
    if (at.transitions.has(eventType)) return true;
  }
  return false;
}

/** One line for each two states; what leads from one to the other stands below one another. */
function arrowLines(arrows: readonly Arrow[]): string[] {
  const labels = new Map<string, Set<string>>();
  for (const { source, target, label } of arrows) {
    const ends = `${idOf(source)} --> ${idOf(target)}`;
    const known = labels.get(ends) ?? new Set();
    labels.set(ends, known.add(label));
  }
  return [...labels].map(([ends, texts]) => `  ${ends}: ${[...texts].join('<br/>')}`);
}

function children(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states) as AnyStateNode[];
}

function nodesBelow(node: AnyStateNode, withItself = false): AnyStateNode[] {
  const below = children(node).flatMap((child) => nodesBelow(child, true));
  return withItself ? [node, ...below] : below;
}

function leavesBelow(node: AnyStateNode): AnyStateNode[] {
  return nodesBelow(node).filter((inner) => children(inner).length === 0);
}

function isInside(inner: AnyStateNode, outer: AnyStateNode): boolean {
  for (let at: AnyStateNode | undefined = inner; at; at = at.parent) if (at === outer) return true;
  return false;
}

function outermost(node: AnyStateNode): AnyStateNode {
  let at = node;
  while (at.parent?.parent) at = at.parent;
  return at;
}

/** Where a transition to a state really leads. */
function firstLeaf(node: AnyStateNode): AnyStateNode {
  const initial = node.initial?.target[0] as AnyStateNode | undefined;
  return initial ? firstLeaf(initial) : node;
}

function idOf(node: AnyStateNode): string {
  return node.path.join('_');
}
