import { YardError, quote } from '../../base/errors.ts';
import type { Key } from './port.ts';

export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

/** What a caller can act on when the disk refuses; anything else stays what it is. */
export function blobError(error: unknown, key: Key): unknown {
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) {
    const hint = 'make room on the disk of the state directory';
    return new YardError('store.full', `no room left for ${quote(key)}`, { hint, cause: error });
  }
  if (isErrno(error, 'EROFS', 'EACCES', 'EPERM')) {
    const hint = 'let the master write to its state directory';
    const what = `may not write ${quote(key)} (${error.code})`;
    return new YardError('store.readonly', what, { hint, cause: error });
  }
  if (isErrno(error, 'ENOTDIR', 'EISDIR', 'EEXIST')) {
    const hint = 'one name cannot be a blob and a directory of blobs';
    return new YardError('blob.exists', `${quote(key)} is in the way of another`, {
      hint,
      cause: error,
    });
  }
  return error;
}

export function unknownBlob(key: Key): YardError {
  return new YardError('output.unknown', `no blob ${quote(key)}`, {
    hint: 'it was never written, or has been removed',
  });
}
