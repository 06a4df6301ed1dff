import { expect, test } from 'vitest';
import { createMachine, setup } from 'xstate';
import { agentMachine } from '../../machines/agent.ts';
import { chartOf } from '../../machines/chart.ts';
import { jobMachine } from '../../machines/job.ts';
import { runMachine } from '../../machines/run.ts';
import { slaveMachine } from '../../machines/slave.ts';
import { arrowOf } from '../base/chart.ts';
import type { Box } from '../base/chart.ts';
import { arrowsOf } from './arrows.ts';
import { layOut } from './layout.ts';

const machines = [runMachine, jobMachine, slaveMachine, agentMachine];

test.each(machines)('every transition of $id has an arrow', (machine) => {
  const chart = chartOf(machine);
  const shown = new Set(arrowsOf(chart).flatMap(({ transitions }) => transitions));
  expect([...shown].sort((a, b) => a - b)).toEqual(chart.transitions.map((_, id) => id));
});

test.each(machines)('states of $id lie apart, or inside one another', async (machine) => {
  const { boxes, width, height } = await layOut(chartOf(machine));
  const all = Object.entries(boxes);
  const holds = (a: Box, b: Box) =>
    a.x <= b.x && a.y <= b.y && a.x + a.width >= b.x + b.width && a.y + a.height >= b.y + b.height;
  const isApart = (a: Box, b: Box) =>
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
  for (const [path, box] of all) {
    expect(holds({ x: 0, y: 0, width, height }, box), path).toBe(true);
    for (const [other, inner] of all) {
      if (path === other) continue;
      const isPart = other.startsWith(`${path}.`);
      if (isPart) expect(holds(box, inner), `${path} holds ${other}`).toBe(true);
      else if (!path.startsWith(`${other}.`))
        expect(isApart(box, inner), `${path}, ${other}`).toBe(true);
    }
  }
});

test.each(machines)('lines of $id run straight, from state to state', async (machine) => {
  const { arrows, boxes, dots } = await layOut(chartOf(machine));
  for (const { source, target, lines } of arrows) {
    for (const line of lines) {
      line.slice(1).forEach(([x, y], index) => {
        const [fromX, fromY] = line[index]!;
        expect(x === fromX || y === fromY, `${source} to ${target}`).toBe(true);
      });
    }
    if (lines.length === 0) continue;
    const [endX, endY] = lines.at(-1)!.at(-1)!;
    const box = boxes[target]!;
    expect(endX).toBeGreaterThanOrEqual(box.x - 1);
    expect(endX).toBeLessThanOrEqual(box.x + box.width + 1);
    expect(endY).toBeGreaterThanOrEqual(box.y - 1);
    expect(endY).toBeLessThanOrEqual(box.y + box.height + 1);
    expect(boxes[source] ?? dots[source]).toBeDefined();
  }
});

test('a state more is a box and its arrows more', async () => {
  const before = createMachine({
    id: 'lamp',
    initial: 'off',
    states: { off: { on: { pressed: 'on' } }, on: { on: { pressed: 'off' } } },
  });
  const after = createMachine({
    id: 'lamp',
    initial: 'off',
    states: {
      off: { on: { pressed: 'on' } },
      on: { on: { pressed: 'off', failed: 'broken' } },
      broken: { type: 'final' },
    },
  });
  const [old, now] = [await layOut(chartOf(before)), await layOut(chartOf(after))];
  expect(Object.keys(old.boxes)).toEqual(['off', 'on']);
  expect(Object.keys(now.boxes)).toEqual(['off', 'on', 'broken']);
  expect(now.arrows.length).toBe(old.arrows.length + 1);
});

test('a step finds the arrow that it went along', () => {
  const chart = chartOf(runMachine);
  const drawn = { chart, arrows: arrowsOf(chart) };
  const ends = (before: string, type: string, after: string) => {
    const arrow = drawn.arrows[arrowOf(drawn, { before, type, after }) ?? -1];
    return arrow && `${arrow.source} ${arrow.target}`;
  };
  expect(ends('NEW', 'run.submitted', 'PENDING.queued')).toBe('NEW PENDING.queued');
  expect(ends('RUNNING.executing', 'attempt.finished', 'COMPLETE')).toBe('RUNNING COMPLETE');
  expect(ends('PENDING.blocked', 'run.held', 'PENDING.blocked')).toBe(
    'PENDING.blocked PENDING.blocked',
  );
  expect(ends('PENDING.queued', 'run.invented', 'COMPLETE')).toBeUndefined();
});

test('what the machine as a whole answers begins where nothing else answers it', () => {
  const machine = setup({ types: { events: {} as { type: 'stopped' | 'went' } } }).createMachine({
    id: 'm',
    initial: 'a',
    on: { stopped: '.end' },
    states: { a: { on: { went: 'b' } }, b: { on: { stopped: 'a' } }, end: { type: 'final' } },
  });
  expect(arrowsOf(chartOf(machine)).map(({ source, target }) => `${source} ${target}`)).toEqual([
    'a end',
    'a b',
    'b a',
  ]);
});
