import { YardError, nearest, quote } from '../base/errors.ts';
import { ARCHES, normalArch } from '../protocol/run.ts';
import type { Hello } from '../protocol/to-master.ts';
import { PROTOCOL, PROTOCOL_MIN, protocolsOverlap } from '../protocol/version.ts';

export interface SlaveIdentity {
  /** The name that its credential is for; undefined: any (no credentials in use). */
  name: string | undefined;
}

/** Why a newcomer is refused, if it is (secops.md part 5, row hello). */
export function helloFault(
  hello: Hello,
  identity: SlaveIdentity,
  live: { incarnation: string; connection: { remote: string } } | undefined,
): YardError | undefined {
  if (identity.name !== undefined && identity.name !== hello.name) {
    return new YardError(
      'authz.identity_mismatch',
      `the credential is for ${identity.name}, not for ${hello.name}`,
    );
  }
  const ours = { min: PROTOCOL_MIN, max: PROTOCOL };
  if (!protocolsOverlap(hello.protocol, ours)) {
    const { min, max } = hello.protocol;
    return new YardError(
      'proto.unsupported',
      `slave ${min}–${max}, master ${PROTOCOL_MIN}–${PROTOCOL}`,
      {
        hint: 'upgrade the older of the two',
      },
    );
  }
  const arch = normalArch(hello.arch);
  if (!(ARCHES as readonly string[]).includes(arch)) {
    const like = nearest(hello.arch, ARCHES);
    return new YardError('hello.arch', `${quote(hello.arch)} unknown`, {
      hint: like ? `did you mean "${like}"?` : `known: ${ARCHES.join(', ')}`,
    });
  }
  if (live && live.incarnation !== hello.incarnation) {
    return new YardError(
      'hello.duplicate',
      `${hello.name} connected from ${live.connection.remote}`,
      {
        hint: 'give this slave another --name, or stop the other one',
      },
    );
  }
  return undefined;
}
