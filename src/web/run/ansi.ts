/**
 * Colours of a terminal (SGR) in bytes and text. Ours rather than a library's: what comes out is
 * classes and values, since the page's policy allows no inline style, and a line in the middle of a
 * million can be drawn without those before it. Pure.
 */

/** Immutable, so that the style in force at a line is kept by keeping it. */
export interface Style {
  /** 0–255 of the palette, or `#rrggbb`. */
  fg?: number | string;
  bg?: number | string;
  bold?: true;
  faint?: true;
  italic?: true;
  underline?: true;
  inverse?: true;
}

export interface Piece {
  text: string;
  style: Style;
}

export const PLAIN: Style = {};

const SET: Record<number, Style> = {
  1: { bold: true },
  2: { faint: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
};
const UNSET: Record<number, readonly (keyof Style)[]> = {
  22: ['bold', 'faint'],
  23: ['italic'],
  24: ['underline'],
  27: ['inverse'],
  39: ['fg'],
  49: ['bg'],
};

/** The style after `ESC [ parameters m`. */
export function applySgr(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((text) => (text === '' ? 0 : Number(text)));
  let next = style;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code === 0) next = PLAIN;
    else if (SET[code]) next = { ...next, ...SET[code] };
    else if (UNSET[code]) next = without(next, UNSET[code]);
    else if (code >= 30 && code <= 37) next = { ...next, fg: code - 30 };
    else if (code >= 40 && code <= 47) next = { ...next, bg: code - 40 };
    else if (code >= 90 && code <= 97) next = { ...next, fg: code - 82 };
    else if (code >= 100 && code <= 107) next = { ...next, bg: code - 92 };
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, i + 1);
      i += used;
      if (colour !== undefined) next = { ...next, [code === 38 ? 'fg' : 'bg']: colour };
    }
  }
  return next;
}

/** `5;N` or `2;R;G;B`, and how many codes that took. */
function extended(codes: readonly number[], at: number): [number | string | undefined, number] {
  if (codes[at] === 5) {
    const index = codes[at + 1] ?? -1;
    return [index >= 0 && index <= 255 ? index : undefined, 2];
  }
  if (codes[at] !== 2) return [undefined, 1];
  const rgb = codes.slice(at + 1, at + 4);
  if (rgb.length < 3 || rgb.some((value) => !(value >= 0 && value <= 255))) return [undefined, 4];
  return [`#${rgb.map((value) => value.toString(16).padStart(2, '0')).join('')}`, 4];
}

function without(style: Style, names: readonly (keyof Style)[]): Style {
  const next = { ...style };
  for (const name of names) delete next[name];
  return next;
}

/* oxlint-disable no-control-regex -- what terminals are told is made of control characters */
const SEQUENCE =
  /\u001b(?:\[([0-9;:?<=>]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
/** They show nothing. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
/* oxlint-enable no-control-regex */

/** A line in pieces of one style each, and the style that the next line begins with. */
export function readLine(line: string, start: Style): { pieces: Piece[]; style: Style } {
  const pieces: Piece[] = [];
  let style = start;
  let from = 0;
  const add = (text: string) => {
    const clean = text.replace(CONTROL, '');
    if (clean !== '') pieces.push({ text: clean, style });
  };
  // A lone return goes back to the start of the line: what a progress bar showed last is shown.
  const shownFrom = line.replace(/\r+$/, '').lastIndexOf('\r') + 1;
  for (const match of line.matchAll(SEQUENCE)) {
    if (match.index >= shownFrom) add(line.slice(Math.max(from, shownFrom), match.index));
    if (match[2] === 'm' && /^[0-9;:]*$/.test(match[1]!)) style = applySgr(style, match[1]!);
    from = match.index + match[0].length;
  }
  add(line.slice(Math.max(from, shownFrom)));
  return { pieces, style };
}
