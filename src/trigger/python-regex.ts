/**
 * Reads a `$regex`: bare, or as `/pattern/flags` with Python's flags i, m, s and x. It is searched
 * for anywhere in a text. Throws SyntaxError for what JavaScript cannot read.
 */
export function pythonRegex(text: string): RegExp {
  const slashed = /^\/(?<pattern>.*)\/(?<flags>[imsx]*)$/s.exec(text)?.groups;
  const inline = /^\(\?(?<flags>[imsxau]+)\)/.exec(slashed?.['pattern'] ?? text);
  const flags = new Set(`${slashed?.['flags'] ?? ''}${inline?.groups?.['flags'] ?? ''}`);
  const pattern = (slashed?.['pattern'] ?? text).slice(inline?.[0].length ?? 0);
  const pieces = flags.has('x') ? VERBOSE_PIECES : PIECES;
  const translated = pattern.replaceAll(pieces, (piece, name: string | undefined) =>
    name === undefined ? translate(piece, flags) : `\\k<${name}>`,
  );
  return new RegExp(translated, ['i', 'm', 's'].filter((flag) => flags.has(flag)).join(''));
}

/** An escape, a class, a named group, a reference to one; under x spaces and comments too. */
const PIECE = String.raw`\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\(\?P<|\(\?P=(\w+)\)`;
const PIECES = new RegExp(`${PIECE}|[\\s\\S]`, 'g');
const VERBOSE_PIECES = new RegExp(`${PIECE}|\\s+|#[^\\n]*|[\\s\\S]`, 'g');

/** Writes one piece as JavaScript does. */
function translate(piece: string, flags: ReadonlySet<string>): string {
  if (piece === '\\A') return '(?<![\\s\\S])';
  if (piece === '\\Z') return '(?![\\s\\S])';
  // Python's end of text may be followed by one line feed.
  if (piece === '$' && !flags.has('m')) return '(?=\\n?(?![\\s\\S]))';
  if (piece === '(?P<') return '(?<';
  // A bracket that comes first in a class stands for itself.
  if (/^\[\^?\]./s.test(piece)) return piece.replace(/^(\[\^?)\]/, '$1\\]');
  return flags.has('x') && /^[\s#]/.test(piece) ? '' : piece;
}
