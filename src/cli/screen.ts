import { safeJson } from './sanitise.ts';
import { formatTable } from './table.ts';
import type { Column } from './table.ts';
import type { CliHost } from './host.ts';

export const FORMATS = ['table', 'json', 'jsonl'] as const;
export type Format = (typeof FORMATS)[number];

/** How answers are shown: as tables for people, as JSON for programs. */
export interface Screen {
  format: Format;
  hasColour: boolean;
  print: (text: string) => void;
  /** One value: as JSON, or as `text` makes it readable. */
  show: <T>(value: T, text: (value: T) => string) => void;
  /** As many as were asked for: JSON is one value, a list unless it was one. */
  showAll: <T>(values: readonly T[], text: (value: T) => string) => void;
  list: <T>(values: readonly T[], columns: readonly Column<T>[], none: string) => void;
  /** For those who sit before a terminal and wait; never for programs. */
  say: (line: string) => void;
  /** To people and programs alike, beside the answer. */
  tell: (line: string) => void;
  paint: (colour: Colour, text: string) => string;
}

const CODES = {
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  cyan: 36,
  dim: 2,
  bold: 1,
  reverse: 7,
} as const;
export type Colour = keyof typeof CODES;

export function makeScreen(host: CliHost, options: { format: Format; colour: boolean }): Screen {
  const { stdout, stderr } = host;
  const hasColour = options.colour && stdout.isTerminal && mayColour(host.env);
  const { format } = options;
  const json = (value: unknown) =>
    stdout.print(format === 'json' ? `${safeJson(value, 2)}\n` : `${safeJson(value)}\n`);

  return {
    format,
    hasColour,
    print: stdout.print,
    show: (value, text) => (format === 'table' ? stdout.print(text(value)) : json(value)),
    showAll(values, text) {
      if (format === 'table') return values.forEach((value) => stdout.print(text(value)));
      if (format === 'json' && values.length !== 1) return json(values);
      values.forEach(json);
    },
    list(values, columns, none) {
      if (format === 'json') return json(values);
      if (format === 'jsonl') return values.forEach(json);
      if (values.length === 0) return stderr.print(`${none}\n`);
      stdout.print(formatTable(columns, values, stdout.columns));
    },
    say: (line) => void (stderr.isTerminal && stderr.print(`${line}\n`)),
    tell: (line) => stderr.print(`${line}\n`),
    paint: (colour, text) => (hasColour ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text),
  };
}

function mayColour(env: Readonly<Record<string, string>>): boolean {
  return !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

const STATE_COLOURS: Record<string, Colour> = {
  PENDING: 'yellow',
  RUNNING: 'blue',
  COMPLETE: 'green',
  FAILED: 'red',
  ABORTED: 'red',
  TIMEDOUT: 'red',
  UNKNOWN: 'red',
  ONLINE: 'green',
  SUSPENDED: 'yellow',
  OFFLINE: 'red',
};

/** The state stays a word; the colour only repeats it. */
export function colourOf(state: string, exitCode?: number): Colour {
  if (state === 'COMPLETE' && exitCode !== undefined && exitCode !== 0) return 'red';
  return STATE_COLOURS[state.split(/[. ]/)[0]!] ?? 'dim';
}
