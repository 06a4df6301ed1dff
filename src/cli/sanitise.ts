/**
 * Makes a stranger's text safe for a terminal: what could move the cursor, rename the window,
 * answer for the user or turn text around is taken out; colours (SGR) may stay (secops.md S31).
 */

export interface SanitiseOptions {
  /** Whether colours stay. */
  colour: boolean;
}

export interface Sanitiser {
  /** The safe part of what came so far; the start of a sequence waits for its end. */
  push: (text: string) => string;
  /** What was held back, and the end of colours that were left on. */
  end: () => string;
}

/** What a terminal command that never ends may hide. */
const STRING_CHARACTERS_MAX = 4096;
const CSI_CHARACTERS_MAX = 64;

const ESC = '\u001b';
const SGR_END = `${ESC}[0m`;

export function sanitise(text: string, options: SanitiseOptions = { colour: false }): string {
  const sanitiser = makeSanitiser(options);
  return sanitiser.push(text) + sanitiser.end();
}

/** Sanitises text that comes in pieces; a sequence may be cut anywhere. */
export function makeSanitiser({ colour }: SanitiseOptions): Sanitiser {
  const reading: Reading = { mode: 'text', parameters: '', skipped: 0, colour, isColoured: false };
  return {
    push(text) {
      if (reading.mode === 'text' && !UNSAFE.test(text)) return text;
      let safe = '';
      for (const character of text) safe += step(reading, character);
      return safe;
    },
    end() {
      const rest = (reading.mode === 'return' ? '\n' : '') + (reading.isColoured ? SGR_END : '');
      reading.mode = 'text';
      reading.isColoured = false;
      return rest;
    },
  };
}

interface Reading {
  mode: 'text' | 'return' | 'escape' | 'csi' | 'string';
  /** What a CSI holds so far. */
  parameters: string;
  /** How much of a string was left out. */
  skipped: number;
  /** Whether colours stay, and whether one is on. */
  colour: boolean;
  isColoured: boolean;
}

function step(reading: Reading, character: string): string {
  switch (reading.mode) {
    case 'text':
      return start(reading, character);
    case 'return':
      if (character === '\r') return '';
      reading.mode = 'text';
      // What a lone return would overwrite stays to be seen.
      return character === '\n' ? '\n' : `\n${start(reading, character)}`;
    case 'escape':
      return afterEscape(reading, character);
    case 'csi':
      return inCsi(reading, character);
    case 'string':
      return inString(reading, character);
  }
}

const STRING_STARTS = '\u0090\u0098\u009d\u009e\u009f';

function start(reading: Reading, character: string): string {
  reading.mode = 'text';
  reading.skipped = 0;
  reading.parameters = '';
  if (character === ESC) reading.mode = 'escape';
  else if (character === '\r') reading.mode = 'return';
  else if (character === '\u009b') reading.mode = 'csi';
  else if (STRING_STARTS.includes(character)) reading.mode = 'string';
  else return shown(character);
  return '';
}

function afterEscape(reading: Reading, character: string): string {
  if (character === '[') reading.mode = 'csi';
  else if ('PX]^_'.includes(character)) reading.mode = 'string';
  else if (character < ' ' || character > '~') return start(reading, character);
  // Intermediates are followed by one more character: ESC ( B.
  else if (character > '/') reading.mode = 'text';
  return '';
}

function inCsi(reading: Reading, character: string): string {
  if (character < ' ' || character > '~') return start(reading, character);
  if (character < '@') {
    reading.parameters += character;
    if (reading.parameters.length > CSI_CHARACTERS_MAX) reading.mode = 'text';
    return '';
  }
  const { parameters } = reading;
  reading.mode = 'text';
  if (character !== 'm' || !reading.colour || !/^[\d;:]*$/.test(parameters)) return '';
  reading.isColoured = !/^[0;]*$/.test(parameters);
  return `${ESC}[${parameters}m`;
}

function inString(reading: Reading, character: string): string {
  // A terminal drops a string at any of these; ESC \ ends one and is an escape like others.
  if (character === ESC || character === '\n' || character === '\r') {
    return start(reading, character);
  }
  const isOver = '\u0007\u0018\u001a\u009c'.includes(character);
  if (isOver || ++reading.skipped > STRING_CHARACTERS_MAX) reading.mode = 'text';
  return '';
}

const BIDI = '\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069';
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for.
const UNSAFE = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${BIDI}]`);
const IS_BIDI = new RegExp(`^[${BIDI}]$`);

/** Nothing of a control character; of one that turns text around, its number. */
function shown(character: string): string {
  if (!UNSAFE.test(character)) return character;
  return IS_BIDI.test(character) ? codeOf(character) : '';
}

function codeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const IN_JSON = new RegExp(`[\\u007f-\\u009f\\u2028\\u2029${BIDI}]`, 'g');

/** JSON that is safe to show: what it leaves as it is although a terminal obeys it is escaped. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(IN_JSON, codeOf);
}

/** One line of safe text, without colours: for a cell, a name, a reason. */
export function oneLine(text: string): string {
  return sanitise(text)
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('\t', ' ')
    .trim();
}
