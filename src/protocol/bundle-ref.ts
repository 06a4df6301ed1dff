import { YardError, quote } from '../base/errors.ts';

/** What a run executes on: a packed tree, or one commit of a git repository. */
export type BundleRef = FsBundleRef | GitBundleRef;

export interface FsBundleRef {
  kind: 'fs';
  /** `fs-` and the hex SHA-256 of the archive's bytes. */
  id: string;
}

export interface GitBundleRef {
  kind: 'git';
  url: string;
  /** The whole hash, SHA-1 or SHA-256, in lower case. */
  commit: string;
}

/** `file` is for tests and trusted local mirrors, and never on unless asked for. */
export type GitScheme = 'https' | 'ssh' | 'file';

export const GIT_SCHEMES: readonly GitScheme[] = ['https', 'ssh'];

const FS_ID = /^fs-[0-9a-f]{64}$/;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;

/** A host that no program takes for an option, then a port. */
const HOST = /^(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const URL_LENGTH_MAX = 2048;

export function isFsBundleId(text: string): boolean {
  return FS_ID.test(text);
}

export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/**
 * Reads `fs-<sha256>` or `git+<url>@<commit>`. What it returns is safe to hand to git and to a
 * path: no option in disguise, no secret, nothing that names another thing tomorrow.
 */
export function parseBundleRef(text: string, schemes = GIT_SCHEMES): BundleRef {
  if (isFsBundleId(text)) return { kind: 'fs', id: text };
  if (!text.startsWith('git+')) {
    throw new YardError('bundle.ref', 'neither a bundle id nor a git reference', {
      hint: 'write fs-<sha256> or git+<url>@<commit>',
    });
  }
  const rest = text.slice('git+'.length);
  const at = rest.lastIndexOf('@');
  const url = at === -1 ? rest : rest.slice(0, at);
  const commit = at === -1 ? '' : rest.slice(at + 1);
  const scheme = allowedScheme(url, schemes);
  if (!isCommit(commit)) {
    throw new YardError('bundle.ref_not_pinned', `${quote(commit)} is not a full commit hash`, {
      hint: 'write all 40 or 64 lower-case hex digits after the @',
    });
  }
  checkUrl(url, scheme);
  return { kind: 'git', url, commit };
}

function allowedScheme(url: string, schemes: readonly GitScheme[]): GitScheme {
  const written = SCHEME.exec(url)?.[1];
  if (written === undefined) {
    // Not repeated: before an @ a stranger's text may hold a password.
    const shown = url.includes('@') ? 'the repository' : quote(url);
    throw refused(`${shown} is not an absolute URL`);
  }
  const scheme = schemes.find((known) => known === written);
  if (!scheme) throw refused(`scheme ${quote(written)} not in [${schemes.join(', ')}]`);
  return scheme;
}

function checkUrl(url: string, scheme: GitScheme): void {
  const match = /^[a-z]+:\/\/([^/]*)(\/.+)$/s.exec(url);
  if (!match || url.length > URL_LENGTH_MAX) {
    throw refused(`not a URL of the form ${scheme}://host/path`);
  }
  const [, authority = '', path = ''] = match;
  const at = authority.lastIndexOf('@');
  const user = at === -1 ? undefined : authority.slice(0, at);
  // An ssh user is part of the address; everywhere else, and with a password, it is a secret.
  if (user !== undefined && !(scheme === 'ssh' && USER.test(user))) {
    throw refused('credentials in the URL', 'use ssh and a key on the slave');
  }
  const host = authority.slice(at + 1);
  if (scheme === 'file' ? authority !== '' : !HOST.test(host)) {
    throw refused(`host ${quote(host)} is not allowed`);
  }
  checkPath(path);
}

function checkPath(path: string): void {
  if (!/^[!-~]+$/.test(path) || /[\\?#]|%(?:[01]|7f)/i.test(path)) {
    throw refused('the path has characters that are not allowed', 'percent-encode them');
  }
  const segments = path.replaceAll(/%2e/gi, '.').split('/');
  if (segments.some((segment) => segment === '..' || segment === '.')) {
    throw refused('the path has a "." or ".." segment');
  }
}

function refused(what: string, hint?: string): YardError {
  return new YardError('bundle.repo_url', what, hint === undefined ? {} : { hint });
}
