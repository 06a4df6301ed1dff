import { expect, test } from 'vitest';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { setup } from 'xstate';
import { agentMachine } from './agent.ts';
import { answersOf, chartOf } from './chart.ts';
import { jobMachine } from './job.ts';
import { runMachine } from './run.ts';
import { slaveMachine } from './slave.ts';

const machines: [string, AnyStateMachine][] = [
  ['run', runMachine],
  ['job', jobMachine],
  ['slave', slaveMachine],
  ['agent', agentMachine],
];

test.each(machines)('the chart of %s has every state and every transition, once', (_, machine) => {
  const chart = chartOf(machine);
  const nodes: AnyStateNode[] = [];
  const walk = (node: AnyStateNode) => {
    nodes.push(node);
    for (const child of Object.values(node.states) as AnyStateNode[]) walk(child);
  };
  walk(machine.root);
  const wanted = nodes.flatMap((node) => [...node.transitions.values()]).flat();
  expect(chart.transitions).toHaveLength(wanted.length);
  expect(chart.states).toHaveLength(nodes.length - 1);
  const paths = new Set(chart.states.map(({ path }) => path));
  expect(paths.size).toBe(chart.states.length);
  for (const { source, target } of chart.transitions) {
    expect(source === '' || paths.has(source)).toBe(true);
    expect(target === undefined || paths.has(target)).toBe(true);
  }
});

test('a state that a machine gains is in its chart, and a transition leads to its first leaf', () => {
  const machine = setup({
    types: { events: {} as { type: 'go' } },
    guards: { isDue: () => true },
    actions: { tell: () => {} },
  }).createMachine({
    id: 'm',
    initial: 'a',
    states: {
      a: { on: { go: { guard: 'isDue', target: 'b', actions: ['tell'] } } },
      b: { initial: 'inner', states: { inner: {}, other: { type: 'final' } } },
    },
  });
  const chart = chartOf(machine);
  expect(chart.initial).toBe('a');
  expect(chart.states).toEqual([
    { path: 'a', type: 'atomic' },
    { path: 'b', type: 'compound', initial: 'b.inner' },
    { path: 'b.inner', parent: 'b', type: 'atomic' },
    { path: 'b.other', parent: 'b', type: 'final' },
  ]);
  expect(chart.transitions).toEqual([
    {
      source: 'a',
      event: 'go',
      guard: 'isDue',
      target: 'b.inner',
      changes: [],
      effects: ['tell'],
    },
  ]);
});

test('a state answers with its own transitions first, then with those around it; an end with none', () => {
  const chart = chartOf(runMachine);
  const stopping = answersOf(chart, 'RUNNING.stopping');
  const own = stopping.filter(({ source }) => source === 'RUNNING.stopping');
  expect(own.length).toBeGreaterThan(0);
  expect(stopping.slice(0, own.length)).toEqual(own);
  expect(stopping.slice(own.length).map(({ source }) => source)).toEqual(
    stopping.slice(own.length).map(() => 'RUNNING'),
  );
  expect(answersOf(chart, 'COMPLETE')).toEqual([]);
});
