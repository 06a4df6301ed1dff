import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isYardError } from '../base/errors.ts';
import { parseBundleRef } from './bundle-ref.ts';

const SHA1 = '0123456789abcdef0123456789abcdef01234567';
const SHA256 = SHA1 + '89abcdef0123456789abcdef';

test('a packed tree is named by its digest', () => {
  expect(parseBundleRef(`fs-${SHA256}`)).toEqual({ kind: 'fs', id: `fs-${SHA256}` });
});

test.each([
  ['https://git.example.org/tools/task.git', SHA1],
  ['https://git.example.org:8443/task', SHA256],
  ['https://[2001:db8::1]/task', SHA1],
  ['ssh://git@git.example.org/~lbr/task.git', SHA1],
  ['ssh://git.example.org/a@b/task.git', SHA1],
])('a commit of %s is taken', (url, commit) => {
  expect(parseBundleRef(`git+${url}@${commit}`)).toEqual({ kind: 'git', url, commit });
});

test('a local repository is taken only where that is allowed', () => {
  const text = `git+file:///srv/mirror/task.git@${SHA1}`;

  expect(messageFor(text)).toBe('bundle.repo_url: scheme "file" not in [https, ssh]');
  expect(parseBundleRef(text, ['https', 'file'])).toMatchObject({ commit: SHA1 });
});

test.each([
  ['ext::sh -c touch% /tmp/marker', 'scheme "ext" not in [https, ssh]'],
  ['http://git.example.org/task', 'scheme "http" not in [https, ssh]'],
  ['HTTPS://git.example.org/task', 'scheme "HTTPS" not in [https, ssh]'],
  ['git.example.org:task', 'scheme "git.example.org" not in [https, ssh]'],
  ['--upload-pack=touch /tmp/marker', '"--upload-pack=touch /tmp/marker" is not an absolute URL'],
  ['../task', '"../task" is not an absolute URL'],
  ['/srv/task', '"/srv/task" is not an absolute URL'],
  ['', '"" is not an absolute URL'],
  ['https:/git.example.org/task', 'not a URL of the form https://host/path'],
  ['https://git.example.org', 'not a URL of the form https://host/path'],
  ['https://git.example.org/', 'not a URL of the form https://host/path'],
  ['ssh://-oProxyCommand=touch/task', 'host "-oProxyCommand=touch" is not allowed'],
  ['ssh://-oProxyCommand=x@host/task', 'credentials in the URL'],
  ['https:///task', 'host "" is not allowed'],
  ['https://a%0ab/task', 'host "a%0ab" is not allowed'],
  ['https://git.example.org/a%0ahost=evil', 'the path has characters that are not allowed'],
  ['https://git.example.org/a\nb', 'the path has characters that are not allowed'],
  ['https://git.example.org/task?token=s3cret', 'the path has characters that are not allowed'],
  ['https://git.example.org/a/../task', 'the path has a "." or ".." segment'],
  ['https://git.example.org/a/%2e%2E/task', 'the path has a "." or ".." segment'],
  [`https://git.example.org/${'a'.repeat(2048)}`, 'not a URL of the form https://host/path'],
])('the repository %j is refused', (url, what) => {
  expect(messageFor(`git+${url}@${SHA1}`)).toContain(`bundle.repo_url: ${what}`);
});

test.each([
  'https://alice:hunter2@git.example.org/task',
  'https://hunter2@git.example.org/task',
  'ssh://git:hunter2@git.example.org/task',
  'ssh://git@hunter2@git.example.org/task',
  'hunter2@git.example.org:task',
  'alice:hunter2@git.example.org/task',
])('credentials in %s are refused and not repeated', (url) => {
  const message = messageFor(`git+${url}@${SHA1}`);

  expect(message).toMatch(/^bundle\.repo_url: /);
  expect(message).not.toContain('hunter2');
});

test.each(['main', '', SHA1.slice(1), `${SHA1}0`, SHA1.toUpperCase(), `-${SHA1.slice(1)}`, 'HEAD'])(
  'the commit %j is not pinned',
  (commit) => {
    const message = messageFor(`git+https://git.example.org/task@${commit}`);

    expect(message).toContain(`bundle.ref_not_pinned: ${JSON.stringify(commit)}`);
  },
);

test.each(['', 'fs-', `fs-${SHA1}`, `fs-${SHA256.toUpperCase()}`, `../fs-${SHA256}`, 'main'])(
  'the text %j names no bundle',
  (text) => {
    expect(messageFor(text)).toMatch(/^bundle\.ref: /);
  },
);

test('whatever is taken holds nothing that git or a shell would take for more than an address', () => {
  const part = fc.constantFrom(
    'https',
    'ssh',
    '://',
    '@',
    '-',
    '/',
    '..',
    ':',
    ' ',
    '\n',
    'host',
    'a',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
      try {
        const ref = parseBundleRef(`git+${parts.join('')}@${SHA1}`);
        expect(ref).toHaveProperty(
          'url',
          expect.stringMatching(/^(?:https|ssh):\/\/[a-z]\S*\/\S+$/),
        );
      } catch (error) {
        expect(isYardError(error), String(error)).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
});

function messageFor(text: string): string {
  try {
    parseBundleRef(text);
  } catch (error) {
    if (isYardError(error)) return error.message;
    throw error;
  }
  return 'taken';
}
