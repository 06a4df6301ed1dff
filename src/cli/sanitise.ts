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

type Mode = 'text' | 'return' | 'escape' | 'csi' | 'string';

export function sanitise(text: string, options: SanitiseOptions = { colour: false }): string {
  const sanitiser = makeSanitiser(options);
  return sanitiser.push(text) + sanitiser.end();
}

/** Sanitises text that comes in pieces; a sequence may be cut anywhere. */
export function makeSanitiser({ colour }: SanitiseOptions): Sanitiser {
  let mode: Mode = 'text';
  /** What a CSI holds so far, or how long a string is. */
  let parameters = '';
  let skipped = 0;
  let isColoured = false;

  function start(character: string): string {
    mode = 'text';
    skipped = 0;
    parameters = '';
    switch (character) {
      case ESC:
        mode = 'escape';
        return '';
      case '\r':
        mode = 'return';
        return '';
      case '\u009b':
        mode = 'csi';
        return '';
      case '\u0090':
      case '\u0098':
      case '\u009d':
      case '\u009e':
      case '\u009f':
        mode = 'string';
        return '';
      default:
        return shown(character);
    }
  }

  function escape(character: string): string {
    if (character === '[') mode = 'csi';
    else if ('PX]^_'.includes(character)) mode = 'string';
    else if (character < ' ' || character > '~') return start(character);
    // Intermediates are followed by one more character: ESC ( B.
    else if (character > '/') mode = 'text';
    return '';
  }

  function csi(character: string): string {
    if (character < ' ' || character > '~') return start(character);
    if (character < '@') {
      parameters += character;
      if (parameters.length > CSI_CHARACTERS_MAX) mode = 'text';
      return '';
    }
    mode = 'text';
    if (character !== 'm' || !colour || !/^[\d;:]*$/.test(parameters)) return '';
    isColoured = !/^[0;]*$/.test(parameters);
    return `${ESC}[${parameters}m`;
  }

  function string(character: string): string {
    // A terminal drops a string at any of these; ESC \ ends one and is an escape like others.
    if (character === ESC || character === '\n' || character === '\r') return start(character);
    const isOver = '\u0007\u0018\u001a\u009c'.includes(character);
    if (isOver || ++skipped > STRING_CHARACTERS_MAX) mode = 'text';
    return '';
  }

  function step(character: string): string {
    switch (mode) {
      case 'text':
        return start(character);
      case 'return':
        // What a lone return would overwrite stays to be seen.
        return character === '\r' ? '' : `\n${character === '\n' ? start('') : start(character)}`;
      case 'escape':
        return escape(character);
      case 'csi':
        return csi(character);
      case 'string':
        return string(character);
    }
  }

  return {
    push(text) {
      if (mode === 'text' && !UNSAFE.test(text)) return text;
      let safe = '';
      for (const character of text) safe += step(character);
      return safe;
    },
    end() {
      const rest = (mode === 'return' ? '\n' : '') + (isColoured ? SGR_END : '');
      mode = 'text';
      isColoured = false;
      return rest;
    },
  };
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
