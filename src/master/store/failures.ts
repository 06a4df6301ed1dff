import { YardError, messageOf } from '../../base/errors.ts';

export const DAMAGE_HINT =
  'keep these files as they are: put back a copy of the state, or start on an empty --state';

const HINTS: Record<string, string> = {
  'store.corrupt': DAMAGE_HINT,
  'store.full': 'free some space and start again',
  'store.readonly': 'give this user the right to write there',
  'store.locked': 'stop the process that has it open',
  'store.unavailable': 'look at the disk and at the limits of this process',
};

const ERRNO: Record<string, string> = {
  ENOSPC: 'store.full',
  EDQUOT: 'store.full',
  EROFS: 'store.readonly',
  EACCES: 'store.readonly',
  EPERM: 'store.readonly',
  EIO: 'store.unavailable',
  EMFILE: 'store.unavailable',
  ENFILE: 'store.unavailable',
  EBUSY: 'store.unavailable',
};

/** LevelDB tells these apart in words only. */
const LEVEL_WORDS: readonly [RegExp, string][] = [
  [/No space left on device|Disk quota exceeded/, 'store.full'],
  [/Read-only file system|Permission denied|Operation not permitted/, 'store.readonly'],
  [/Too many open files/, 'store.unavailable'],
];

const LEVEL_CODES: Record<string, string> = {
  LEVEL_LOCKED: 'store.locked',
  LEVEL_CORRUPTION: 'store.corrupt',
  LEVEL_DATABASE_NOT_OPEN: 'store.closed',
  LEVEL_ITERATOR_NOT_OPEN: 'store.closed',
  LEVEL_SNAPSHOT_NOT_OPEN: 'store.closed',
};

/**
 * What a failure of the disk or of LevelDB is called. `otherwise` names those that it does not tell
 * apart; a bug is not renamed.
 */
export function storeError(thrown: unknown, where: string, otherwise?: string): unknown {
  if (!(thrown instanceof Error) || thrown instanceof YardError) return thrown;
  const code = codeOf(thrown, otherwise) ?? (isOfTheWorld(thrown) ? otherwise : undefined);
  if (code === undefined) return thrown;
  const hint = HINTS[code];
  return new YardError(code, `${where}: ${messageOf(deepest(thrown))}`, {
    cause: thrown,
    ...(hint === undefined ? {} : { hint }),
  });
}

function isOfTheWorld(thrown: Error): boolean {
  const { code } = thrown as { code?: unknown };
  return 'errno' in thrown || (typeof code === 'string' && code.startsWith('LEVEL_'));
}

function codeOf(thrown: Error, otherwise: string | undefined): string | undefined {
  // The cause says more: "not open" is often what only follows from it.
  const inner = thrown.cause instanceof Error ? codeOf(thrown.cause, otherwise) : undefined;
  if (inner !== undefined) return inner;
  const { code } = thrown as { code?: unknown };
  const name = typeof code === 'string' ? code : '';
  if (name === 'LEVEL_IO_ERROR') {
    const word = LEVEL_WORDS.find(([pattern]) => pattern.test(thrown.message));
    return word?.[1] ?? otherwise ?? 'store.unavailable';
  }
  return ERRNO[name] ?? (thrown.cause === undefined ? LEVEL_CODES[name] : undefined);
}

function deepest(thrown: Error): Error {
  return thrown.cause instanceof Error ? deepest(thrown.cause) : thrown;
}
