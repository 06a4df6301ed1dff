import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { YardError, isYardError, quote } from '../base/errors.ts';
import { INSPECT_PATH } from '../protocol/devtools.ts';
import { WATCH_PATH } from '../protocol/http.ts';
import type { Scope } from '../protocol/http.ts';
import type { MasterService, Principal } from '../protocol/service.ts';

/** `slave`: a slave's own uploads; `enrol`: trading an enrolment token; `none`: anybody. */
export type Needed = Scope | 'slave' | 'enrol' | 'none';

export interface Gate {
  /** Says who asks, or rejects with `auth.…` or `authz.…`. */
  admit: (request: IncomingMessage, needed: Needed) => Promise<Principal>;
}

export interface GateOptions {
  service: MasterService;
  clock: Clock;
  /** Names besides loopback's by which a master without tokens may be called. */
  trustedHosts?: readonly string[];
}

const NOBODY: Principal = { name: 'anonymous', kind: 'anonymous', scopes: [] };

export function makeGate({ service, clock, trustedHosts = [] }: GateOptions): Gate {
  const failures = countFailures(clock);

  async function authenticate(request: IncomingMessage): Promise<Principal> {
    const token = tokenOf(request);
    const remote = request.socket.remoteAddress ?? '?';
    try {
      return await service.authenticate(token, remote);
    } catch (error) {
      // Of a master that cannot say, no token is wrong.
      if (!isYardError(error) || !error.code.startsWith('auth.')) throw error;
      if (token === undefined) throw error;
      // A right token gets in all the same: a neighbour's mistakes must not lock it out.
      if (failures.add(remote) <= FAILURES_MAX) throw error;
      throw new YardError('auth.limited', 'too many wrong tokens from here', {
        hint: 'wait a minute',
      });
    }
  }

  return {
    async admit(request, needed) {
      if (needed === 'none') return NOBODY;
      const ticket = ticketOf(request);
      // A page of another origin must not use a ticket up either.
      if (ticket !== undefined) checkOrigin(request, trustedHosts);
      const by = await (ticket === undefined
        ? authenticate(request)
        : service.redeemTicket(ticket));
      if (by.kind === 'anonymous') checkOrigin(request, trustedHosts);
      if (covers(by, needed)) return by;
      const has = by.scopes.length > 0 ? by.scopes.join(', ') : `a ${by.kind}'s rights`;
      throw new YardError('authz.scope', `needs ${needed}, token ${quote(by.name)} has ${has}`);
    },
  };
}

function covers({ kind, scopes }: Principal, needed: Needed): boolean {
  if (scopes.includes('admin')) return true;
  if (needed === 'slave' || needed === 'enrol') return kind === needed;
  // A slave reads bundles, with the credential that it has.
  if (needed === 'read' && kind === 'slave') return true;
  return (scopes as readonly string[]).includes(needed);
}

/** Only watchers may put it into the URL, which logs and histories keep: browsers cannot else. */
function tokenOf({ headers, url = '' }: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S{1,200})$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const [path, query] = url.split('?');
  if (path !== WATCH_PATH || query === undefined) return undefined;
  return new URLSearchParams(query).get('token') || undefined;
}

/** Inspectors of other makers are given an address and nothing else: a ticket is good once. */
function ticketOf({ url = '' }: IncomingMessage): string | undefined {
  const [path, query] = url.split('?');
  if (path !== INSPECT_PATH || query === undefined) return undefined;
  return new URLSearchParams(query).get('ticket') ?? undefined;
}

/**
 * Without tokens, a stranger's page in a local browser must not steer us: neither from its own
 * origin, nor under a name that it had point to this machine.
 */
function checkOrigin(request: IncomingMessage, trustedHosts: readonly string[]): void {
  const { host = '', origin } = request.headers;
  const name = host.toLowerCase().replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
  const isLocal = name === 'localhost' || name === '::1' || isLoopback4(name);
  const local = (request.socket.localAddress ?? '').replace('::ffff:', '');
  const reachedByLoopback = local === '::1' || isLoopback4(local);
  if (reachedByLoopback && !isLocal && !trustedHosts.includes(name)) {
    throw new YardError('auth.origin', `${quote(name)} is no name of ours`, {
      hint: 'use 127.0.0.1',
    });
  }
  if (origin === undefined) return;
  if (/^https?:\/\//.test(origin) && origin.replace(/^https?:\/\//, '') === host) return;
  throw new YardError('auth.origin', 'a page of another origin asked');
}

function isLoopback4(name: string): boolean {
  return isIP(name) === 4 && name.startsWith('127.');
}

const FAILURES_MAX = 10;
const WINDOW_MS = 60_000;
const REMOTES_MAX = 10_000;

/** Counts by address how often something failed within the last minute. */
function countFailures(clock: Clock): { add: (remote: string) => number } {
  const byRemote = new Map<string, number[]>();
  return {
    add(remote) {
      const since = clock.now() - WINDOW_MS;
      const recent = (byRemote.get(remote) ?? []).filter((at) => at > since);
      // More than the limit says no more than the limit does.
      if (recent.length <= FAILURES_MAX) recent.push(clock.now());
      byRemote.delete(remote);
      byRemote.set(remote, recent);
      for (const [oldest] of byRemote) {
        if (byRemote.size <= REMOTES_MAX) break;
        byRemote.delete(oldest);
      }
      return recent.length;
    },
  };
}
