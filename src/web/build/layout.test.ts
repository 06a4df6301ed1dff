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

/** As in styles/statechart.css. */
const [STATE_FONT, LABEL_FONT] = [15, 13.2];
const machines = [runMachine, jobMachine, slaveMachine, agentMachine];

test.each(machines)('every transition of $id has an arrow', (machine) => {
  const chart = chartOf(machine);
  const shown = new Set(arrowsOf(chart).flatMap(({ transitions }) => transitions));
  expect([...shown].sort((a, b) => a - b)).toEqual(chart.transitions.map((_, id) => id));
});

const shapes = machines.flatMap((machine) =>
  (['wide', 'narrow'] as const).map((shape) => ({ machine, id: machine.id, shape })),
);

function isApart(a: Box, b: Box): boolean {
  return (
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
  );
}

function holds(a: Box, b: Box): boolean {
  return (
    a.x <= b.x && a.y <= b.y && a.x + a.width >= b.x + b.width && a.y + a.height >= b.y + b.height
  );
}

test.each(shapes)('$shape, states of $id lie apart or in one another', async (one) => {
  const { boxes, width, height } = (await layOut(chartOf(one.machine)))[one.shape];
  const all = Object.entries(boxes);
  for (const [path, box] of all) {
    expect(holds({ x: 0, y: 0, width, height }, box), path).toBe(true);
    for (const [other, inner] of all) {
      if (path === other || path === '' || other === '') continue;
      const isPart = other.startsWith(`${path}.`);
      if (isPart) expect(holds(box, inner), `${path} holds ${other}`).toBe(true);
      else if (!path.startsWith(`${other}.`))
        expect(isApart(box, inner), `${path}, ${other}`).toBe(true);
    }
  }
});

test.each(shapes)('$shape, lines of $id run straight, from state to state', async (one) => {
  const { arrows, [one.shape]: picture } = await layOut(chartOf(one.machine));
  for (const [index, { source, target }] of arrows.entries()) {
    const lines = picture.lines[index]!;
    for (const line of lines) {
      line.slice(1).forEach(([x, y], corner) => {
        const [fromX, fromY] = line[corner]!;
        expect(x === fromX || y === fromY, `${source} to ${target}`).toBe(true);
      });
    }
    expect(lines.length === 0, `${source} to ${target}`).toBe(source === target);
    if (lines.length === 0) continue;
    const [endX, endY] = lines.at(-1)!.at(-1)!;
    const box = picture.boxes[target]!;
    expect(endX).toBeGreaterThanOrEqual(box.x - 1);
    expect(endX).toBeLessThanOrEqual(box.x + box.width + 1);
    expect(endY).toBeGreaterThanOrEqual(box.y - 1);
    expect(endY).toBeLessThanOrEqual(box.y + box.height + 1);
    expect(picture.boxes[source] ?? picture.dots[source]).toBeDefined();
  }
});

test.each(shapes)(
  '$shape, no label of $id lies on a state, a line or another label',
  async (one) => {
    const { chart, arrows, [one.shape]: picture } = await layOut(chartOf(one.machine));
    const leaves = chart.states.filter(({ type }) => type !== 'compound').map(({ path }) => path);
    const segments = picture.lines.flatMap((lines, index) =>
      lines.flatMap((line) =>
        line.slice(1).map(([x, y], corner) => {
          const [fromX, fromY] = line[corner]!;
          const box = {
            x: Math.min(x, fromX),
            y: Math.min(y, fromY),
            width: Math.abs(x - fromX),
            height: Math.abs(y - fromY),
          };
          return { box, name: `${arrows[index]!.source} to ${arrows[index]!.target}` };
        }),
      ),
    );
    const labels = picture.labels.filter((label) => label !== null);
    expect(labels.length).toBeGreaterThan(0);
    for (const [index, label] of labels.entries()) {
      const text = label.text.join(' ');
      for (const path of leaves)
        expect(isApart(label, picture.boxes[path]!), `${text}, ${path}`).toBe(true);
      for (const { box, name } of segments)
        expect(isApart(label, box), `${text}, ${name}`).toBe(true);
      for (const other of labels.slice(index + 1))
        expect(isApart(label, other), `${text}, ${other.text.join(' ')}`).toBe(true);
    }
  },
);

test('the run machine fits a screen and a phone, with text that can be read', async () => {
  const { wide, narrow } = await layOut(chartOf(runMachine));
  // What is left of 1360 by 860 beside and under the bar, the head, the tabs and the slider.
  const scale = Math.min(1, 1318 / wide.width);
  expect(wide.height * scale).toBeLessThan(560);
  expect(STATE_FONT * scale).toBeGreaterThanOrEqual(12);
  expect(LABEL_FONT * scale).toBeGreaterThanOrEqual(10.5);
  // It scrolls sideways there, by less than its width once more.
  expect(narrow.width * 0.87).toBeLessThan(2 * 390);
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
  for (const shape of ['wide', 'narrow'] as const) {
    expect(Object.keys(old[shape].boxes)).toEqual(['off', 'on']);
    expect(Object.keys(now[shape].boxes)).toEqual(['off', 'on', 'broken']);
  }
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
  expect(ends('RUNNING.executing', 'attempt.finished', 'COMPLETE')).toBe(' COMPLETE');
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
