/**
 * Every error that a caller can act on: a stable code, what is wrong, where, and what to do.
 * Anything else that is thrown is a bug; it is not caught, and the process ends.
 */

/** What each edge answers for a code: the longest matching prefix decides. */
const EDGES: Record<string, { http: number; exit: number }> = {
  archive: { http: 400, exit: 65 },
  artifact: { http: 400, exit: 65 },
  auth: { http: 401, exit: 77 },
  'auth.limited': { http: 429, exit: 77 },
  'auth.origin': { http: 403, exit: 77 },
  authz: { http: 403, exit: 77 },
  backup: { http: 409, exit: 65 },
  'backup.target_not_empty': { http: 409, exit: 73 },
  blob: { http: 409, exit: 65 },
  bundle: { http: 400, exit: 65 },
  'bundle.unknown': { http: 404, exit: 65 },
  'bundle.in_use': { http: 409, exit: 65 },
  cluster: { http: 410, exit: 65 },
  config: { http: 400, exit: 78 },
  formula: { http: 400, exit: 65 },
  frame: { http: 400, exit: 76 },
  hello: { http: 400, exit: 78 },
  'hello.duplicate': { http: 409, exit: 75 },
  hold: { http: 409, exit: 65 },
  input: { http: 400, exit: 64 },
  'input.too_large': { http: 413, exit: 65 },
  internal: { http: 500, exit: 70 },
  job: { http: 400, exit: 65 },
  'job.unknown': { http: 404, exit: 65 },
  key: { http: 409, exit: 65 },
  limit: { http: 429, exit: 75 },
  machine: { http: 404, exit: 65 },
  master: { http: 503, exit: 69 },
  message: { http: 400, exit: 65 },
  net: { http: 502, exit: 69 },
  output: { http: 409, exit: 65 },
  'output.expired': { http: 410, exit: 65 },
  'output.range': { http: 416, exit: 65 },
  'output.unknown': { http: 404, exit: 65 },
  packet: { http: 400, exit: 76 },
  proto: { http: 426, exit: 76 },
  ref: { http: 400, exit: 65 },
  route: { http: 404, exit: 65 },
  'restore.target_not_empty': { http: 409, exit: 73 },
  rules: { http: 400, exit: 78 },
  run: { http: 409, exit: 65 },
  'run.unknown': { http: 404, exit: 65 },
  slave: { http: 409, exit: 65 },
  'slave.unknown': { http: 404, exit: 65 },
  store: { http: 503, exit: 65 },
  'store.absent': { http: 503, exit: 66 },
  'store.full': { http: 503, exit: 73 },
  'store.locked': { http: 503, exit: 75 },
  'store.readonly': { http: 503, exit: 73 },
  'store.schema_newer': { http: 503, exit: 78 },
  'store.schema_older': { http: 503, exit: 78 },
  task: { http: 400, exit: 65 },
  token: { http: 400, exit: 65 },
  'token.unknown': { http: 404, exit: 65 },
};

/** The most of a stranger's text that an error repeats, in characters. */
const ECHO_MAX = 120;

export interface YardErrorOptions extends ErrorOptions {
  /** What the reader can do about it; printed last. */
  hint?: string;
}

/** Reads as `code: what, where, what to do`. */
export class YardError extends Error {
  override readonly name = 'YardError';
  readonly code: string;
  /** The text without its code. */
  readonly what: string;
  readonly hint: string | undefined;

  constructor(code: string, what: string, options: YardErrorOptions = {}) {
    const { hint, ...rest } = options;
    super(hint === undefined ? `${code}: ${what}` : `${code}: ${what}, ${hint}`, rest);
    this.code = code;
    this.what = what;
    this.hint = hint;
  }

  /** The shape that errors have on the wire: `{code, message, hint?}`. */
  toJSON(): ErrorBody {
    const body: ErrorBody = { code: this.code, message: this.what };
    if (this.hint !== undefined) body.hint = this.hint;
    return body;
  }
}

export interface ErrorBody {
  code: string;
  message: string;
  hint?: string;
}

export function isYardError(error: unknown): error is YardError {
  return error instanceof YardError;
}

/** HTTP status of a code; 500 for one that the table does not know. */
export function httpStatusOf(code: string): number {
  return edgeOf(code)?.http ?? 500;
}

/** Exit status of a code, after sysexits(3); 70 for one that the table does not know. */
export function exitCodeOf(code: string): number {
  return edgeOf(code)?.exit ?? 70;
}

function edgeOf(code: string): { http: number; exit: number } | undefined {
  return EDGES[code] ?? EDGES[code.slice(0, code.indexOf('.'))];
}

/** Quotes a stranger's text for an error: cut to 120 characters, control characters escaped. */
export function quote(text: unknown): string {
  const whole = JSON.stringify(typeof text === 'string' ? text : describe(text));
  const safe = whole.replaceAll(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    escapeCharacter,
  );
  return safe.length <= ECHO_MAX ? safe : `${safe.slice(0, ECHO_MAX - 2)}…"`;
}

/** A hostile object's own `toString` is not called. */
function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? typeof value : String(value);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** States what must hold if the program is right; a breach is a bug and is not caught. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The word among `known` that is most like `word`, if one is close: for "did you mean". */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}
