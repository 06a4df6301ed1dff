import { expect, test } from 'vitest';
import { openYard } from '../../test/kit/yard.ts';
import { makeCredentials } from './credentials.ts';

async function open(openAccess = false, given: Parameters<typeof openYard>[0] = {}) {
  const yard = await openYard(given);
  const { store, clock, ids } = yard;
  const ports = { store, ledger: yard.yard.ledger, clock, ids, openAccess };
  const credentials = makeCredentials(ports);
  await credentials.load();
  return { ...yard, credentials };
}

test('a token says who it is and what it may', async () => {
  const { credentials } = await open();
  const { token } = await credentials.create({ kind: 'user', name: 'ann', scopes: ['submit'] });
  expect(token).toMatch(/^ryu_[0-9a-z]{40}$/);
  expect(credentials.authenticate(token)).toEqual({
    name: 'ann',
    kind: 'user',
    scopes: ['submit'],
  });
});

test('without a token nobody may do anything, unless access is open', async () => {
  const { credentials } = await open();
  expect(() => credentials.authenticate(undefined)).toThrow(/^auth.missing/);
  expect((await open(true)).credentials.authenticate(undefined).scopes).toEqual(['admin']);
});

test('a token that is not known is refused even where access is open', async () => {
  const { credentials } = await open(true);
  expect(() => credentials.authenticate('ryu_guess')).toThrow(/^auth.invalid/);
});

test('a token ends at its instant, and says when it did', async () => {
  const { credentials, clock } = await open();
  const request = { kind: 'user', name: 'ann', scopes: [], ttlMs: 1_000 } as const;
  const { token } = await credentials.create({ ...request, scopes: [] });
  clock.advance(999);
  credentials.authenticate(token);
  clock.advance(1);
  expect(() => credentials.authenticate(token)).toThrow(
    /^auth.expired: token of ann expired 2026-01-01T00:00:01.000Z/,
  );
});

test('a revoked token is refused, before and after a restart; the others outlive it', async () => {
  const first = await open();
  const keep = await first.credentials.create({ kind: 'user', name: 'ann', scopes: [] });
  const gone = await first.credentials.create({ kind: 'user', name: 'bob', scopes: [] });
  await first.credentials.revoke(gone.id);
  const second = await open(false, { memory: first.memory, clock: first.clock });
  for (const { credentials } of [first, second]) {
    expect(credentials.authenticate(keep.token).name).toBe('ann');
    expect(() => credentials.authenticate(gone.token)).toThrow(/^auth.invalid/);
  }
  await expect(first.credentials.revoke(gone.id)).rejects.toThrow(/^token.unknown/);
});

test('the store holds no token, only its digest', async () => {
  const { credentials, memory } = await open();
  const { token } = await credentials.create({ kind: 'slave', name: 's1', scopes: [] });
  for await (const { key, value } of memory.scan({})) {
    expect(key + Buffer.from(value).toString('latin1')).not.toContain(token.slice(4));
  }
});

test('an enrolment token makes one slave credential and is gone', async () => {
  const { credentials } = await open();
  const enrol = await credentials.create({ kind: 'enrol', name: 'lab', scopes: [] });
  const by = credentials.authenticate(enrol.token);
  const { token } = await credentials.enrol('s1', by);
  expect(credentials.authenticate(token)).toMatchObject({ name: 's1', kind: 'slave' });
  await expect(credentials.enrol('s2', by)).rejects.toThrow(/^auth.enrol_used/);
  expect(() => credentials.authenticate(enrol.token)).toThrow(/^auth.invalid/);
});

test('of two enrolment tokens with one name the one that was used is gone', async () => {
  const { credentials } = await open();
  await credentials.create({ kind: 'enrol', name: 'lab', scopes: [] });
  const used = await credentials.create({ kind: 'enrol', name: 'lab', scopes: [] });
  await credentials.enrol('s1', credentials.authenticate(used.token));
  expect(() => credentials.authenticate(used.token)).toThrow(/^auth.invalid/);
});
