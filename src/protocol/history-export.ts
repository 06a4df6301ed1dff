/**
 * The exported history of one run: a line of JSON about the run, then one for each of its steps. No
 * schemas here, so that a page reads it without their weight.
 */
import { YardError } from '../base/errors.ts';
import type { Chart, RunStep } from './devtools.ts';
import type { RunStatus } from './run.ts';

export const EXPORT_FORMAT = 'runyard.history';
export const EXPORT_VERSION = 1;

export interface RunExport {
  run: RunStatus;
  /** The run's machine as it was where this was written. */
  chart: Chart;
  /** RFC 3339. */
  exportedAt: string;
  steps: RunStep[];
}

/** The lines of an export, each with its end. */
export function* exportLines({ run, chart, exportedAt, steps }: RunExport): Generator<string> {
  const head = { format: EXPORT_FORMAT, version: EXPORT_VERSION, exportedAt, run, chart };
  yield `${JSON.stringify(head)}\n`;
  for (const step of steps) yield `${JSON.stringify(step)}\n`;
}

/** Reads what `exportLines` wrote; anything else is `input.export`, with the line. */
export function readExport(text: string): RunExport {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [head, ...rest] = lines.map(readLine);
  if (head?.['format'] !== EXPORT_FORMAT) throw fault(1, 'is no history of a run');
  if (head['version'] !== EXPORT_VERSION) {
    throw fault(1, `is of version ${JSON.stringify(head['version'])}, not ${EXPORT_VERSION}`);
  }
  const { run, chart, exportedAt } = head as unknown as RunExport;
  if (typeof run?.runId !== 'string' || !Array.isArray(chart?.states)) {
    throw fault(1, 'names no run, or no chart');
  }
  const steps = rest.map((step, index) => checkStep(step, index) as unknown as RunStep);
  return { run, chart, exportedAt, steps };
}

const TEXTS = ['at', 'type', 'from', 'to', 'before', 'after'];
const LISTS = ['changed', 'effects', 'sent'];
const RECORDS = ['event', 'context'];

function checkStep(step: Record<string, unknown>, index: number): Record<string, unknown> {
  const line = index + 2;
  if (step['n'] !== index + 1) throw fault(line, `is not step ${index + 1}`);
  const isWhole =
    Number.isInteger(step['seq']) &&
    TEXTS.every((name) => typeof step[name] === 'string') &&
    LISTS.every((name) => Array.isArray(step[name])) &&
    RECORDS.every((name) => typeof step[name] === 'object' && step[name] !== null);
  if (!isWhole) throw fault(line, 'is not a whole step');
  return step;
}

function readLine(text: string, index: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fault(index + 1, 'is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw fault(index + 1, 'is not an object');
  return value as Record<string, unknown>;
}

function fault(line: number, what: string): YardError {
  return new YardError('input.export', `line ${line} ${what}`, {
    hint: 'export a run with /api/runs/ID/export',
  });
}
