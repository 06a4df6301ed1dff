/** What a key does to what the user has chosen. Pure. */
import type { Choice, Yard } from './view.ts';
import { chosenRun, shownRuns } from './view.ts';

export type Wish = 'quit' | 'abort' | undefined;

export interface Pressed {
  choice: Choice;
  wish?: Wish;
}

const MOVES: Readonly<Record<string, number>> = {
  j: 1,
  '\u001b[B': 1,
  k: -1,
  '\u001b[A': -1,
  '\u001b[6~': 10,
  '\u001b[5~': -10,
  g: -Infinity,
  '\u001b[H': -Infinity,
  G: Infinity,
  '\u001b[F': Infinity,
};

/** `key` is what the terminal sent for one key. */
export function press(key: string, before: Choice, yard: Yard): Pressed {
  const { notice: _, ...choice } = before;
  if (key === '\u0003') return { choice, wish: 'quit' };
  switch (choice.mode) {
    case 'filter':
      return { choice: typeFilter(key, choice) };
    case 'confirm': {
      const back: Choice = { ...choice, mode: 'browse' };
      return key === 'y' || key === 'Y' ? { choice: back, wish: 'abort' } : { choice: back };
    }
    case 'browse':
    case 'log':
      return browse(key, choice, yard);
  }
}

function browse(key: string, choice: Choice, yard: Yard): Pressed {
  const by = MOVES[key];
  if (by !== undefined) return { choice: move(choice, yard, by) };
  if (key === 'q') return { choice, wish: 'quit' };
  if (key === '/') return { choice: { ...choice, mode: 'filter' } };
  if (key === '\r') {
    const runId = chosenRun(yard, choice)?.runId;
    return { choice: { ...choice, runId, mode: choice.mode === 'log' ? 'browse' : 'log' } };
  }
  if (key === '\u001b') {
    return {
      choice: choice.mode === 'log' ? { ...choice, mode: 'browse' } : { ...choice, filter: '' },
    };
  }
  const chosen = chosenRun(yard, choice);
  if (key !== 'a' && key !== 'A') return { choice };
  if (!chosen || chosen.finishedAt !== undefined) {
    return { choice: { ...choice, notice: 'only a run that is not done can be aborted' } };
  }
  // What is asked about stays chosen, whatever comes meanwhile.
  return { choice: { ...choice, runId: chosen.runId, mode: 'confirm' } };
}

function move(choice: Choice, yard: Yard, by: number): Choice {
  const runs = shownRuns(yard, choice);
  const chosen = chosenRun(yard, choice);
  const at = chosen ? runs.indexOf(chosen) : 0;
  const place = Math.max(0, Math.min(runs.length - 1, at + by));
  return { ...choice, runId: runs[place]?.runId };
}

function typeFilter(key: string, choice: Choice): Choice {
  if (key === '\r') return { ...choice, mode: 'browse' };
  if (key === '\u001b') return { ...choice, filter: '', mode: 'browse' };
  if (key === '\u007f' || key === '\b') return { ...choice, filter: choice.filter.slice(0, -1) };
  // Arrows and others of several characters write nothing.
  const isWritten = Array.from(key).length === 1 && key >= ' ';
  return isWritten ? { ...choice, filter: choice.filter + key } : choice;
}

/** What a terminal sent, key by key: several may come at once. */
export function keysIn(text: string): string[] {
  // oxlint-disable-next-line no-control-regex -- escapes are what terminals send.
  return text.match(/\u001b\[[\d;]*[A-Za-z~]|\u001bO[A-Z]|[^]/gu) ?? [];
}
