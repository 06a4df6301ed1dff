import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { artifactKey, outputKey } from '../outputs.ts';
import { keys, pack } from '../records.ts';
import { linkKey } from '../store/chain.ts';
import { changeRaw, databaseFile, exchange, flip } from '../store/damage-fixture.ts';
import { openAt } from '../store/level-fixture.ts';
import { bundleKey } from '../submit.ts';
import {
  appended,
  blob,
  changeRun,
  context,
  copied,
  del,
  doubled,
  dropFirstEvents,
  events,
  happened,
  job,
  misplaced,
  moved,
  place,
  put,
  relabelled,
  run,
  slave,
  withArtifact,
  write,
} from './damage-fixture.ts';
import { HINTS, formatFinding } from './finding.ts';
import { bundle, check, ids, state } from './fsck-fixture.ts';

test('a whole state has no findings, and not a byte of it is touched', async () => {
  const { summary, found } = await check();
  expect(found).toEqual([]);
  expect(summary).toMatchObject({ runs: 9, jobs: 1, findings: 0 });
  expect(summary.events).toBeGreaterThan(25);
  // Three streams of one run (combined, too), and the bundle.
  expect(summary.blobs).toBe(4);
});

test('runs are divided where their events are too many to be kept at once', async () => {
  const whole = await check();
  const divided = await check({ eventsMax: 3 });
  expect(divided.summary).toEqual(whole.summary);
  await write((store) =>
    changeRun(store, ids.plain, ({ context }) => ({ context: { ...context, lost: 1 } })),
  );
  expect((await check({ eventsMax: 3 })).found).toEqual((await check()).found);
});

test('a state that a master has open is refused, and so is what is none', async () => {
  const { store } = await openAt(state);
  await expect(check()).rejects.toMatchObject({ code: 'store.locked' });
  await store.close();
  rmSync(state, { recursive: true });
  mkdirSync(state);
  await expect(check()).rejects.toMatchObject({ code: 'store.absent' });
  writeFileSync(join(state, 'stranger'), '');
  await expect(check()).rejects.toMatchObject({ code: 'store.foreign' });
});

type Damage = () => unknown;

/** What is done to the state, and the codes of what is found then, all of them. */
const DAMAGES: [string, string, Damage][] = [
  [
    'a byte of a table flipped',
    'store',
    () =>
      changeRaw(state, async (level) => level.compactRange('\0', '~')).then(() =>
        flip(databaseFile(state, '.ldb'), 200),
      ),
  ],
  [
    'a record in another’s place',
    'history_orphan store',
    () => exchange(state, keys.origin(ids.retried), keys.done(ids.retried)),
  ],
  ['the end of the log cut off', 'gap', () => truncateSync(databaseFile(state, '.log'), 0)],
  ['a link of the chain deleted', 'gap', () => changeRaw(state, (level) => level.del(linkKey(5)))],
  ['the manifest deleted', 'store', () => rmSync(databaseFile(state, 'MANIFEST'))],
  ['an origin deleted', 'origin_missing', () => del(keys.origin(ids.retried))],
  ['a snapshot deleted', 'history_orphan run_missing', () => del(keys.done(ids.retried))],
  ['a run live and done', 'run_twice', doubled],
  ['a run in the wrong family', 'run_misplaced', misplaced],
  ['a snapshot of another run', 'history_places key_mismatch', copied],
  ['a state that does not exist', 'run_state snapshot', () => run({ state: 'SPLENDID' })],
  ['another end than the history', 'snapshot', () => run({ state: 'FAILED' })],
  ['a context changed', 'snapshot', () => context({ startedAt: 5 })],
  ['too many failures', 'run_limits snapshot', () => context({ failures: 7 })],
  ['too many losses', 'run_limits snapshot', () => context({ lost: 7 })],
  ['settled by an older attempt', 'attempt_stale snapshot', () => context({ settled: 1 })],
  ['the attempt number fell', 'attempt_order attempt_stale', () => context({ attempt: 1 })],
  ['a place of its history changed', 'history_places', () => run({ events: [1, 2, 3] })],
  ['events lost', 'history_gap history_order', dropFirstEvents],
  ['the whole history of a run given to another', 'event_after_end history_missing', relabelled],
  [
    'an event numbered twice',
    'history_order',
    () => events(({ n, ...event }) => ({ ...event, n: n === 3 ? 2 : n })),
  ],
  [
    'an event that no machine takes',
    'history_unexpected',
    () => happened('attempt.executing', { type: 'backoff.over' }),
  ],
  [
    'an event that led elsewhere',
    'history_state',
    () => events((event) => ({ ...event, state: event.n === 2 ? 'PENDING.held' : event.state })),
  ],
  [
    'a report of an older attempt',
    'attempt_stale',
    () => happened('attempt.finished', { attempt: 0 }),
  ],
  ['an event after the end', 'event_after_end', appended],
  ['events under another number', 'key_mismatch', moved],
  ['an output removed', 'output_missing', () => rmSync(blob(outputKey(ids.plain, 1, 'stdout')))],
  [
    'an output cut off',
    'output_length',
    () => truncateSync(blob(outputKey(ids.plain, 1, 'stdout')), 2),
  ],
  [
    'an output overwritten',
    'output_digest',
    () => flip(blob(outputKey(ids.plain, 1, 'stderr')), 0),
  ],
  ['an artifact missing', 'artifact_missing', () => withArtifact('x')],
  [
    'an artifact overwritten',
    'artifact_digest',
    () => withArtifact('y').then(() => place(artifactKey(ids.plain, 1, 'report.txt'), 'x')),
  ],
  ['a bundle removed', 'bundle_missing', () => rmSync(blob(bundleKey(bundle)))],
  ['a bundle overwritten', 'bundle_digest', () => flip(blob(bundleKey(bundle)), 0)],
  ['a job deleted', 'job_missing', () => del(keys.job(ids.job))],
  [
    'a job that counts wrong',
    'job_counts',
    () => job(({ context: old }) => ({ context: { ...old, failed: 0 } })),
  ],
  ['a job that is not over', 'job_counts', () => job(() => ({ state: 'IN_PROGRESS' }))],
  [
    'a job with another’s run',
    'job_runs',
    () => job(({ runs }) => ({ runs: [...runs.slice(1), ids.plain] })),
  ],
  [
    'a key of a run that is gone',
    'key_run',
    () => put(`key/${'0'.repeat(64)}`, pack({ runId: 'none' })),
  ],
  [
    'a key of a run without one',
    'key_run',
    () => put(`key/${'0'.repeat(64)}`, pack({ runId: ids.retried })),
  ],
  ['a slave deleted', 'slave_missing', () => del(keys.slave('s1'))],
  ['a slave in no state', 'slave_state', () => slave({ state: 'AWAY' })],
  ['a slave under another’s name', 'key_mismatch', () => slave({ name: 's2' })],
  [
    'a token under another’s digest',
    'token_digest',
    () => put(keys.token('0'), pack({ digest: '1' })),
  ],
  ['a key of nobody', 'key_unknown', () => put('mystery/1', pack(1))],
  [
    'a record that does not decode',
    'undecodable',
    () => put(keys.job('x'), Buffer.from([0xdb, 0xff])),
  ],
];

describe('what is damaged is found and named, and nothing else', () => {
  test.each(DAMAGES)('%s: %s', async (_, codes, damage) => {
    await damage();
    const { found, codes: seen } = await check();
    expect(seen.join(' '), found.map(formatFinding).join('\n')).toBe(
      codes
        .split(' ')
        .map((code) => `fsck.${code}`)
        .join(' '),
    );
  });

  test('every code is found in some state', () => {
    const expected = new Set(DAMAGES.flatMap(([, codes]) => codes.split(' ')));
    expect(Object.keys(HINTS).filter((code) => !expected.has(code))).toEqual([]);
  });

  test('a finding says what, where and what to do', async () => {
    await context({ startedAt: 5 });
    const [finding] = (await check()).found;
    expect(formatFinding(finding!)).toMatch(
      /^fsck\.snapshot: run \w+: its startedAt is 5, its history makes \d+, report it with /,
    );
  });

  test('bytes that changed are not looked for where only lengths are asked for', async () => {
    flip(blob(outputKey(ids.plain, 1, 'stderr')), 0);
    expect((await check({ deep: false })).found).toEqual([]);
  });
});
