import { expect, test } from 'vitest';
import type { SlaveStatus } from '../../protocol/http.ts';
import { aRun } from '../host-fixture.ts';
import { changes, openDisplay } from './display.ts';
import { keysIn, press } from './keys.ts';
import { drawTop, printTop, shownRuns } from './view.ts';
import type { Choice, Yard } from './view.ts';

const AT = '2026-01-01T00:00:00.000Z';
const slave: SlaveStatus = {
  name: 's1',
  state: 'ONLINE',
  arch: 'x86_64',
  labels: {},
  resources: {},
  isolations: ['none'],
  slots: 4,
  used: 1,
  runs: ['a'],
  version: '0.1.0',
  host: 'rack',
  losses: 0,
  seenAt: AT,
};
const running = aRun({ runId: 'a', name: 'build it', state: 'RUNNING', substate: 'executing' });
delete running.finishedAt;
delete running.exitCode;
const failed = aRun({ runId: 'b', name: 'test \u001b[2Jit', exitCode: 3 });
const yard: Yard = {
  server: 'http://127.0.0.1:7070',
  cluster: {
    seq: 9,
    at: AT,
    first: { seq: 1, at: AT },
    last: { seq: 9, at: AT },
    runs: { 'RUNNING.executing': 1, COMPLETE: 1 },
    queued: 0,
    slaves: [],
  },
  slaves: [slave],
  runs: [running, failed],
  log: 'one\ntwo\u001b]0;evil\u0007\n',
  wallMs: Date.parse(AT) + 61_000,
};
const browse: Choice = { filter: '', mode: 'browse' };
const plain = (_: string, text: string) => text;
const draw = (choice: Choice, columns = 80, rows = 24) =>
  drawTop(yard, choice, { columns, rows }, plain);

test('a screen shows the yard, its slaves, its runs and what the chosen run wrote', () => {
  const lines = draw(browse);
  expect(lines).toHaveLength(24);
  expect(lines[0]).toContain('RUNNING 1  COMPLETE 1  queued 0  slots 1/4');
  expect(lines[1]).toMatch(/^s1 +ONLINE +###\.{7} 1\/4/);
  expect(lines[2]).toMatch(/^ {2}RUN +STATE +EXIT +SLAVE +TOOK NAME/);
  expect(lines[3]).toMatch(/^> a +RUNNING executing +s1 +1m 0s build it/);
  expect(lines[4]).toMatch(/^ {2}b +COMPLETE +3 +s1 +4\.2s test it/);
  const log = lines.findIndex((line) => line.startsWith('-- a build it'));
  expect(lines.slice(log + 1, log + 3)).toEqual(['one', 'two']);
  expect(lines.at(-1)).toContain('q quit');
});

test.each([
  [0, 0],
  [1, 1],
  [5, 2],
  [20, 3],
  [40, 5],
  [80, 13],
  [200, 60],
])('at %i columns and %i rows no line is too long, and none too many', (columns, rows) => {
  for (const mode of ['browse', 'filter', 'confirm', 'log'] as const) {
    const lines = draw({ ...browse, mode }, columns, rows);
    expect(lines).toHaveLength(rows);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.max(columns, 1));
  }
});

test('nothing that a stranger wrote reaches the terminal as a command', () => {
  const text = [...draw(browse), ...draw({ ...browse, mode: 'log' })].join('');
  // oxlint-disable-next-line no-control-regex -- it must not be there.
  expect(text).not.toMatch(/[\u0000-\u001f\u007f]/);
});

function pressAll(keys: string, from: Choice = browse) {
  let choice = from;
  const wishes: string[] = [];
  for (const key of keysIn(keys)) {
    const pressed = press(key, choice, yard);
    choice = pressed.choice;
    if (pressed.wish) wishes.push(pressed.wish);
  }
  return { choice, wishes };
}

test('keys choose, open, filter and quit', () => {
  expect(pressAll('j').choice.runId).toBe('b');
  expect(pressAll('jjjk').choice.runId).toBe('a');
  expect(pressAll('\u001b[B').choice.runId).toBe('b');
  expect(pressAll('Gg').choice.runId).toBe('a');
  expect(pressAll('j\r').choice).toMatchObject({ runId: 'b', mode: 'log' });
  expect(pressAll('\r\u001b').choice.mode).toBe('browse');
  const { choice } = pressAll('/tex\u007fst q\r');
  expect(choice).toEqual({ filter: 'test q', mode: 'browse' });
  expect(shownRuns(yard, pressAll('/it complete\r').choice)).toEqual([failed]);
  expect(pressAll('/x\u001b').choice.filter).toBe('');
  expect(pressAll('q').wishes).toEqual(['quit']);
  expect(pressAll('/\u0003').wishes).toEqual(['quit']);
});

test('an abort is asked about, and of a run that is not done alone', () => {
  expect(pressAll('a').choice).toMatchObject({ mode: 'confirm', runId: 'a' });
  expect(draw(pressAll('a').choice).at(-1)).toContain('abort a (build it)? y/n');
  expect(pressAll('ay').wishes).toEqual(['abort']);
  for (const no of ['an', 'aq', 'a\r', 'a\u001b']) expect(pressAll(no).wishes).toEqual([]);
  const done = pressAll('ja');
  expect(done.choice).toMatchObject({ mode: 'browse', notice: expect.any(String) as string });
  expect(pressAll('jay').wishes).toEqual([]);
});

test('only rows that changed are sent, within one synchronized update', () => {
  expect(changes(['a', 'b', 'c'], ['a', 'x'])).toBe('\u001b[2;1Hx\u001b[K\u001b[3;1H\u001b[K');
  let sent = '';
  const display = openDisplay((text) => void (sent += text));
  sent = '';
  display.draw(['a', 'b']);
  display.draw(['a', 'b']);
  display.draw(['a', 'c']);
  expect(sent).toBe(
    '\u001b[?2026h\u001b[1;1Ha\u001b[K\u001b[2;1Hb\u001b[K\u001b[?2026l' +
      '\u001b[?2026h\u001b[2;1Hc\u001b[K\u001b[?2026l',
  );
  sent = '';
  display.reset();
  display.draw(['a', 'c']);
  expect(sent).toContain('\u001b[1;1Ha');
});

test('once, it is text without a screen', () => {
  const text = printTop(yard, Infinity, plain);
  expect(text).not.toContain('\u001b');
  expect(text.split('\n')).toHaveLength(6);
});
