/**
 * Results as TAP 13, written so that Perl's harness reads it too: its YAML reader knows neither
 * block scalars with a chomp mark nor lists of strings with colons, so every text is one
 * double-quoted line.
 */
import { parse } from 'yaml';
import { YardError, quote } from '../base/errors.ts';
import { checkDetail } from './check-detail.ts';
import type { CheckDetail, Outcome } from './check-detail.ts';

/** Writes a TAP document: version, plan, and a point with a YAML block for each result. */
export function formatTap(details: readonly CheckDetail[]): string {
  const plan = details.length === 0 ? '1..0 # SKIP no results' : `1..${details.length}`;
  return ['TAP version 13', plan, ...details.flatMap(formatPoint), ''].join('\n');
}

function formatPoint(detail: CheckDetail, index: number): string[] {
  const { item, type, outcome, note, checkname, output } = detail;
  const verdict = outcome === 'PASSED' || outcome === 'INFO' ? 'ok' : 'not ok';
  const name = `${checkname ?? 'result'} for ${typeWords(type)} ${item}`;
  const mark = outcome === 'FAILED' ? ' # FAIL' : '';
  return [
    `${verdict} ${index + 1} - ${escapeName(name)}${mark}`,
    '  ---',
    ...(output.length === 0 ? [] : ['  details:', `    output: ${quoteYaml(output.join('\n'))}`]),
    ...(checkname === undefined ? [] : [`  checkname: ${quoteYaml(checkname)}`]),
    `  item: ${quoteYaml(item)}`,
    `  outcome: ${outcome}`,
    ...(note === undefined ? [] : [`  summary: ${quoteYaml(note)}`]),
    ...(type === undefined ? [] : [`  type: ${quoteYaml(type)}`]),
    '  ...',
  ];
}

/** `koji_build` reads as `Koji build`. */
function typeWords(type = 'item'): string {
  const words = type.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A name is one line, and a bare `#` in it would begin a directive. */
function escapeName(name: string): string {
  return name.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').replaceAll(/[\\#]/g, '\\$&');
}

const ESCAPES: Record<string, string> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** A YAML string on one line, in the escapes that Perl's reader shares. */
function quoteYaml(text: string): string {
  const body = text.replaceAll(/[\\"\p{Cc}\u2028\u2029\ufeff\p{Cs}]/gu, (character) => {
    const code = character.charCodeAt(0);
    const hex = code.toString(16);
    return (
      ESCAPES[character] ??
      (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`)
    );
  });
  return `"${body}"`;
}

export interface TapPoint {
  ok: boolean;
  number: number;
  name: string;
  directive: { kind: 'SKIP' | 'TODO' | 'FAIL'; why: string } | undefined;
  /** What the YAML block says. */
  diagnostics: unknown;
}

export interface Tap {
  version: number | undefined;
  /** How many points were announced. */
  planned: number | undefined;
  points: TapPoint[];
  bailOut: string | undefined;
  /** What makes the document incomplete or inconsistent; none: it can be relied on. */
  problems: string[];
}

const POINT = /^(?<not>not )?ok\b(?: +(?<number>\d+)\b)?(?: *- *| +|$)(?<rest>.*)$/;
const DIRECTIVE = /(?:^|\s)(?<!\\)#\s*(?<kind>SKIP|TODO|FAIL)\S*\s*(?<why>.*)$/i;

/** Reads TAP; lines that are none of it are passed over. */
export function parseTap(text: string): Tap {
  const tap: Tap = {
    version: undefined,
    planned: undefined,
    points: [],
    bailOut: undefined,
    problems: [],
  };
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const point = POINT.exec(line);
    const opening = /^(\s+)---\s*$/.exec(line);
    if (point) tap.points.push(pointOf(point, tap.points.length + 1));
    else if (opening && tap.points.length > 0) at = readBlock(tap, lines, at);
    else readFrame(tap, line);
  }
  judge(tap);
  return tap;
}

function pointOf({ groups }: RegExpExecArray, position: number): TapPoint {
  const rest = groups!['rest'] ?? '';
  const directive = DIRECTIVE.exec(rest);
  const name = (directive ? rest.slice(0, directive.index) : rest).trim();
  return {
    ok: groups!['not'] === undefined,
    number: groups!['number'] === undefined ? position : Number(groups!['number']),
    name: name.replaceAll(/\\([\\#])/g, '$1'),
    directive: directive
      ? {
          kind: directive.groups!['kind']!.toUpperCase() as 'SKIP',
          why: directive.groups!['why']!,
        }
      : undefined,
    diagnostics: undefined,
  };
}

/** Reads the block that opens at `start` into the latest point; returns the index of its end. */
function readBlock(tap: Tap, lines: readonly string[], start: number): number {
  const end = lines.findIndex((line, at) => at > start && /^\s+\.\.\.\s*$/.test(line));
  if (end === -1) {
    tap.problems.push(`line ${start + 1}: a YAML block does not end`);
    return start;
  }
  const yaml = lines.slice(start + 1, end).join('\n');
  try {
    tap.points.at(-1)!.diagnostics = parse(yaml, { logLevel: 'error' });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    tap.problems.push(`line ${start + 1}: the YAML block cannot be read: ${error.message}`);
  }
  return end;
}

function readFrame(tap: Tap, line: string): void {
  const version = /^TAP version (\d+)\s*$/i.exec(line);
  const plan = /^1\.\.(\d+)(?:\s|$)/.exec(line);
  const bailOut = /^Bail out!\s*(.*)$/.exec(line);
  if (version) tap.version = Number(version[1]);
  if (plan && tap.planned !== undefined) tap.problems.push('there is more than one plan');
  if (plan) tap.planned = Number(plan[1]);
  if (bailOut) tap.bailOut = bailOut[1] ?? '';
}

function judge(tap: Tap): void {
  const { planned, points, problems, bailOut } = tap;
  if (planned === undefined) problems.push('there is no plan');
  else if (planned !== points.length) {
    problems.push(`${planned} points were planned, ${points.length} are there`);
  }
  points.forEach(({ number }, index) => {
    if (number !== index + 1) problems.push(`point ${index + 1} is numbered ${number}`);
  });
  if (bailOut !== undefined) problems.push(`bailed out: ${bailOut}`);
}

/** The results that TAP carries in its YAML blocks; a point without an item there is an error. */
export function resultsFromTap({ points }: Tap): CheckDetail[] {
  return points.map(({ number, diagnostics, ok }) => {
    const block = (diagnostics ?? {}) as Record<string, unknown>;
    const { item, type, outcome, summary, checkname, details } = block;
    if (typeof item !== 'string') {
      throw new YardError('task.tap_item', `point ${number} names no item: ${quote(item)}`, {
        hint: 'give it a YAML block with item, type and outcome',
      });
    }
    const output = (details as { output?: unknown } | undefined)?.output;
    return checkDetail({
      item,
      outcome: (outcome ?? (ok ? 'PASSED' : 'FAILED')) as Outcome,
      ...(typeof type === 'string' ? { type } : {}),
      ...(typeof summary === 'string' ? { note: summary } : {}),
      ...(typeof checkname === 'string' ? { checkname } : {}),
      ...(typeof output === 'string' ? { output: [output] } : {}),
    });
  });
}
