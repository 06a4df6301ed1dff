import type { IncomingMessage } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { YardError, isYardError } from '../base/errors.ts';
import type { Scope } from '../protocol/http.ts';
import type { MasterService, Principal } from '../protocol/service.ts';

/** `slave`: a slave's own uploads; `enrol`: trading an enrolment token; `none`: anybody. */
export type Needed = Scope | 'slave' | 'enrol' | 'none';

export interface Gate {
  /** Says who asks, or rejects with `auth.…` or `authz.…`. */
  admit: (request: IncomingMessage, needed: Needed) => Promise<Principal>;
}

const FAILURES_MAX = 10;
const FAILURES_WINDOW_MS = 60_000;
const NOBODY: Principal = { name: 'anonymous', kind: 'anonymous', scopes: [] };

export function makeGate(service: MasterService, clock: Clock): Gate {
  const failures = new Map<string, number[]>();

  function recentFailures(remote: string): number[] {
    const since = clock.now() - FAILURES_WINDOW_MS;
    const recent = (failures.get(remote) ?? []).filter((at) => at > since);
    if (recent.length === 0) failures.delete(remote);
    else failures.set(remote, recent);
    return recent;
  }

  return {
    async admit(request, needed) {
      if (needed === 'none') return NOBODY;
      const remote = request.socket.remoteAddress ?? '?';
      const token = tokenOf(request);
      if (token !== undefined && recentFailures(remote).length >= FAILURES_MAX) {
        throw new YardError('auth.limited', 'too many wrong tokens from here', {
          hint: 'wait a minute',
        });
      }
      let by: Principal;
      try {
        by = await service.authenticate(token, remote);
      } catch (error) {
        if (token !== undefined && isYardError(error)) {
          failures.set(remote, [...recentFailures(remote), clock.now()]);
        }
        throw error;
      }
      if (by.kind === 'anonymous') checkOrigin(request);
      if (covers(by, needed)) return by;
      const has = by.scopes.length > 0 ? by.scopes.join(', ') : `a ${by.kind}'s rights`;
      throw new YardError('authz.scope', `needs ${needed}, token "${by.name}" has ${has}`);
    },
  };
}

function covers({ kind, scopes }: Principal, needed: Needed): boolean {
  if (scopes.includes('admin')) return true;
  if (needed === 'slave') return kind === 'slave';
  if (needed === 'enrol') return kind === 'enrol';
  // A slave reads bundles, with the credential that it has.
  if (needed === 'read' && kind === 'slave') return true;
  return (scopes as readonly string[]).includes(needed);
}

function tokenOf(request: IncomingMessage): string | undefined {
  const bearer = /^Bearer (\S{1,200})$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const query = request.url?.split('?')[1];
  return (query !== undefined && new URLSearchParams(query).get('token')) || undefined;
}

/** Without tokens, a page of a stranger in a local browser must not steer us. */
function checkOrigin(request: IncomingMessage): void {
  const { host = '', origin } = request.headers;
  const name = host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
  const isLocal = name === 'localhost' || name === '::1' || name.startsWith('127.');
  const isLoopback = /^(::ffff:)?127\.|^::1$/.test(request.socket.localAddress ?? '');
  if (isLoopback && !isLocal) {
    throw new YardError('auth.origin', 'this host name is not ours', { hint: 'use 127.0.0.1' });
  }
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== host) {
    throw new YardError('auth.origin', 'a page of another origin asked');
  }
}
