/** Tokens: who may do what. Only digests are kept, so the state directory gives none away (S02). */
import { sha256Of } from '../base/sha256.ts';
import type { Principal } from '../protocol/service.ts';
import type { Clock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import type { Ids } from '../base/random.ts';
import { formatInstant } from '../base/units.ts';
import type { Scope } from '../protocol/http.ts';
import type { Ledger } from './ledger.ts';
import { below, keys, pack, unpack } from './records.ts';
import type { StateStore } from './store/port.ts';

export interface TokenRecord {
  id: string;
  kind: 'user' | 'slave' | 'enrol';
  name: string;
  scopes: Scope[];
  digest: string;
  expiresAt?: number | undefined;
}

const ENROL_TTL_MS = 24 * 3_600_000;
const PREFIX = { user: 'ryu', slave: 'rys', enrol: 'rye' } as const;

export interface Credentials {
  load: () => Promise<void>;
  /** Whether anybody may do anything: a loopback master that nobody gave tokens to. */
  readonly open: boolean;
  authenticate: (token: string | undefined) => Principal;
  create: (request: {
    kind: TokenRecord['kind'];
    name: string;
    scopes: Scope[];
    ttlMs?: number | undefined;
  }) => Promise<{ id: string; token: string; expiresAt?: string | undefined }>;
  list: () => TokenRecord[];
  revoke: (id: string) => Promise<TokenRecord>;
  /** One use: the enrolment token is gone with the answer. */
  enrol: (name: string, by: Principal) => Promise<{ token: string }>;
}

export interface CredentialPorts {
  store: StateStore;
  ledger: Ledger;
  clock: Clock;
  ids: Ids;
  /** Without tokens anybody may do anything. */
  openAccess: boolean;
}

export function makeCredentials({
  store,
  ledger,
  clock,
  ids,
  openAccess,
}: CredentialPorts): Credentials {
  // By digest, so that no comparison depends on how much of a token was right.
  const byDigest = new Map<string, TokenRecord>();
  /** Which token a caller showed: two may have one name. */
  const shown = new WeakMap<Principal, TokenRecord>();

  function find(token: string): TokenRecord {
    const record = byDigest.get(sha256Of(token));
    if (!record)
      throw new YardError('auth.invalid', 'this token is not known', { hint: 'ask for a new one' });
    if (record.expiresAt !== undefined && record.expiresAt <= clock.wall()) {
      const when = formatInstant(record.expiresAt);
      const hint = record.kind === 'slave' ? 're-enrol' : 'ask for a new one';
      throw new YardError('auth.expired', `token of ${record.name} expired ${when}`, { hint });
    }
    return record;
  }

  async function create(request: {
    kind: TokenRecord['kind'];
    name: string;
    scopes: Scope[];
    ttlMs?: number | undefined;
  }): Promise<{ id: string; token: string; expiresAt?: string | undefined }> {
    const { kind, name, scopes } = request;
    const id = ids.random(10);
    const token = `${PREFIX[kind]}_${ids.random(40)}`;
    const ttlMs = request.ttlMs ?? (kind === 'enrol' ? ENROL_TTL_MS : undefined);
    const expiresAt = ttlMs === undefined ? undefined : clock.wall() + ttlMs;
    const record: TokenRecord = { id, kind, name, scopes, digest: sha256Of(token) };
    if (expiresAt !== undefined) record.expiresAt = expiresAt;
    await ledger.transact((tx) => tx.put(keys.token(record.digest), pack(record)));
    byDigest.set(record.digest, record);
    const expires = expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) };
    return { id, token, ...expires };
  }

  async function revoke(id: string): Promise<TokenRecord> {
    const record = [...byDigest.values()].find((candidate) => candidate.id === id);
    if (!record)
      throw new YardError('token.unknown', `no token ${id}`, { hint: 'see "runyard token list"' });
    byDigest.delete(record.digest);
    await ledger.transact((tx) => tx.del(keys.token(record.digest)));
    return record;
  }

  return {
    async load() {
      for await (const { value } of store.scan(below('token'))) {
        const record = unpack<TokenRecord>(value);
        byDigest.set(record.digest, record);
      }
    },
    get open() {
      return openAccess;
    },
    authenticate(token) {
      if (token === undefined) {
        if (openAccess) return { name: 'anonymous', kind: 'anonymous', scopes: ['admin'] };
        throw new YardError('auth.missing', 'this master asks for a token', {
          hint: 'set RUNYARD_TOKEN or give --token-file',
        });
      }
      const record = find(token);
      const { name, kind, scopes } = record;
      const principal: Principal = { name, kind, scopes };
      shown.set(principal, record);
      return principal;
    },
    create,
    list: () => [...byDigest.values()],
    revoke,
    async enrol(name, by) {
      if (by.kind === 'enrol') {
        const used = shown.get(by);
        if (!used || !byDigest.has(used.digest))
          throw new YardError('auth.enrol_used', 'this enrolment token was used');
        await revoke(used.id);
      }
      const { token } = await create({ kind: 'slave', name, scopes: [] });
      return { token };
    },
  };
}
