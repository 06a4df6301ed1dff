/** Why a master could not be asked at all, as clients and slaves both say it. */
import { YardError, messageOf } from '../base/errors.ts';

/** `net.unreachable`; `net.tls` where somebody answers who cannot be trusted. */
export function unreachable(server: string, cause: unknown): YardError {
  const why = causeOf(cause);
  const hint = tlsHint(why);
  const code = hint === undefined ? 'net.unreachable' : 'net.tls';
  return new YardError(code, `master at ${server}: ${why}`, {
    hint: hint ?? 'is it running, and is the address right?',
    cause,
  });
}

/** A code of the system's, if there is one, of the error or of what is below it. */
export function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  const own = (error as { code?: unknown }).code;
  return cause?.code ?? cause?.message ?? (typeof own === 'string' ? own : messageOf(error));
}

/** By the codes that OpenSSL and Node have for certificates, and for bytes that are not TLS. */
function tlsHint(code: string): string | undefined {
  if (/SELF_SIGNED|ISSUER_CERT|LEAF_SIGNATURE|CERT_UNTRUSTED/.test(code)) {
    return 'name the file of its authority in NODE_EXTRA_CA_CERTS';
  }
  if (/ALTNAME|HOSTNAME_MISMATCH/.test(code)) return 'call it by a name that its certificate has';
  if (code.startsWith('CERT_')) return 'renew its certificate';
  if (/^ERR_SSL_|^EPROTO$/.test(code)) return 'is it http, without TLS?';
  return undefined;
}
