import { expect, test } from 'vitest';
import { unreachable } from './unreachable.ts';

const URL = 'https://yard:7070';

test.each([
  ['ECONNREFUSED', 'net.unreachable', 'is it running'],
  ['ENOTFOUND', 'net.unreachable', 'is the address right'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'net.tls', 'NODE_EXTRA_CA_CERTS'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'net.tls', 'NODE_EXTRA_CA_CERTS'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'net.tls', 'NODE_EXTRA_CA_CERTS'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'net.tls', 'NODE_EXTRA_CA_CERTS'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'net.tls', 'a name that its certificate has'],
  ['CERT_HAS_EXPIRED', 'net.tls', 'renew'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'net.tls', 'is it http'],
])('%s is %s, and says what to do', (code, named, hint) => {
  const own = Object.assign(new Error('no'), { code });
  for (const error of [own, new TypeError('fetch failed', { cause: own })]) {
    expect(unreachable(URL, error)).toMatchObject({
      code: named,
      what: `master at ${URL}: ${code}`,
      hint: expect.stringContaining(hint),
    });
  }
});

test('what has no code is told in its own words', () => {
  expect(unreachable(URL, new Error('odd')).message).toMatch(/^net\.unreachable: .*: odd, is it/);
});
