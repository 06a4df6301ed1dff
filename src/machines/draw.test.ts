import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { assign, setup } from 'xstate';
import { expect, test } from 'vitest';
import { DRAWINGS, drawMachine, drawOutline, withDrawings } from './draw.ts';
import { runMachine } from './run.ts';
import { deriveTable } from './table.ts';

const root = join(import.meta.dirname, '../..');
const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test.each(documents)('the machines in %s are drawn as they are now', (name) => {
  const text = readFileSync(join(root, name), 'utf8');
  // Mends itself with `node scripts/draw-machines.mjs`.
  expect(withDrawings(text)).toBe(text);
});

test('every drawing is shown in a document', () => {
  const texts = documents.map((name) => readFileSync(join(root, name), 'utf8')).join('\n');
  const shown = [...texts.matchAll(/<!-- drawn: ([\w-]+) -->/g)].map(([, name]) => name);
  expect(new Set(shown)).toEqual(new Set(Object.keys(DRAWINGS)));
});

test('a drawing names guards and effects, and leaves changes of the context out', () => {
  expect(drawMachine(lamp)).toBe(
    [
      'stateDiagram-v2',
      '  state on {',
      '    state "dim" as on_dim',
      '    state "bright" as on_bright',
      '  }',
      '  [*] --> off',
      '  off --> off: clock.struck / chime',
      '  on_dim --> on_dim: clock.struck / chime',
      '  off --> on_dim: button.pressed [hasPower] / light',
      '  on --> off: button.pressed',
      '  on_dim --> on_bright: knob.turned / light',
      '  on_bright --> broken: knob.turned [isWorn]',
      '  on_bright --> on_bright: clock.struck',
      '  broken --> [*]',
      '',
    ].join('\n'),
  );
});

test('an outline shows the outermost states, and the bare names of events between them', () => {
  expect(drawOutline(lamp)).toBe(
    [
      'stateDiagram-v2',
      '  [*] --> off',
      '  off --> on: button.pressed',
      '  on --> off: button.pressed',
      '  on --> broken: knob.turned',
      '  broken --> [*]',
      '',
    ].join('\n'),
  );
});

test('the drawn run has an arrow for every transition that the deciding table has', () => {
  const arrows = drawMachine(runMachine).split('\n').map(readArrow);
  const table = deriveTable(runMachine);
  const events = new Set(arrows.flatMap((arrow) => arrow?.events ?? []));
  const missing = table.states.flatMap((state) => {
    const path = state.replaceAll('.', '_');
    const from = arrows.filter((arrow) => arrow && isAtOrAround(arrow.source, path));
    const drawn = new Set(from.flatMap((arrow) => arrow!.events));
    return [...events]
      .filter((event) => table.knows(state, event) !== drawn.has(event))
      .map((event) => `${state}: ${event}`);
  });
  expect(events.size).toBeGreaterThan(15);
  expect(missing).toEqual([]);
});

test('a document keeps what stands around its drawings, and an unknown name is refused', () => {
  const text = 'before\n<!-- drawn: job -->\nold\n<!-- /drawn -->\nafter\n';
  const drawn = withDrawings(text);
  expect(drawn).toMatch(/^before\n<!-- drawn: job -->\n\n```mermaid\nstateDiagram-v2\n/);
  expect(drawn).toMatch(/\n```\n\n<!-- \/drawn -->\nafter\n$/);
  expect(drawn).not.toContain('old');
  expect(withDrawings(drawn)).toBe(drawn);
  expect(() => withDrawings(text.replace('job', 'jib'))).toThrow('a drawing called jib');
});

function readArrow(line: string): { source: string; events: string[] } | undefined {
  const [, source, labels] = /^ {2}(\w+) --> \w+: (.+)$/.exec(line) ?? [];
  if (source === undefined || labels === undefined) return undefined;
  return { source, events: labels.split('<br/>').map((label) => label.split(' ')[0]!) };
}

function isAtOrAround(source: string, path: string): boolean {
  return path === source || path.startsWith(`${source}_`);
}

const lamp = setup({
  types: { context: {} as { presses: number } },
  guards: { hasPower: () => true, isWorn: () => false },
  actions: {
    count: assign({ presses: ({ context }) => context.presses + 1 }),
    light: () => {},
    chime: () => {},
  },
}).createMachine({
  id: 'lamp',
  context: { presses: 0 },
  initial: 'off',
  on: { 'clock.struck': { actions: ['chime'] } },
  states: {
    off: {
      on: { 'button.pressed': { guard: 'hasPower', target: 'on', actions: ['count', 'light'] } },
    },
    on: {
      initial: 'dim',
      on: { 'button.pressed': { target: 'off' } },
      states: {
        dim: { on: { 'knob.turned': { target: 'bright', actions: ['light'] } } },
        bright: {
          on: { 'knob.turned': { guard: 'isWorn', target: '#lamp.broken' }, 'clock.struck': {} },
        },
      },
    },
    broken: { type: 'final' },
  },
});
