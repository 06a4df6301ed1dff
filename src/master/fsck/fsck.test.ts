import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { pid } from 'node:process';
import { ClassicLevel } from 'classic-level';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { me, startCluster } from '../../../test/kit/cluster.ts';
import { until } from '../../../test/kit/until.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { runRequest } from '../../protocol/run.ts';
import { keys, pack, unpack } from '../records.ts';
import type { EventRecord, JobRecord, RunOrigin, RunRecord, SlaveRecord } from '../records.ts';
import { packEvents, packRun, unpackEvents, unpackOrigin, unpackRun } from '../rows.ts';
import { artifactKey, outputKey } from '../outputs.ts';
import { linkKey } from '../store/chain.ts';
import { openAt, treeOf } from '../store/level-fixture.ts';
import type { Op, StateStore } from '../store/port.ts';
import { bundleKey } from '../submit.ts';
import { HINTS, formatFinding } from './finding.ts';
import type { Finding } from './finding.ts';
import { checkState } from './fsck.ts';

/** A state with runs in every kind of standing; made once, damaged in copies. */
let pristine: string;
let state: string;
/** One finished run with output, one tried thrice, one of a job, one that runs, one that waits. */
const ids = { plain: '', retried: '', inJob: '', onSlave: '', waiting: '', job: '' };
const BUNDLE = Buffer.from('what a bundle would be');
const bundle = `fs-${createHash('sha256').update(BUNDLE).digest('hex')}`;

beforeAll(async () => {
  pristine = mkdtempSync(join(tmpdir(), 'runyard-fsck-test-'));
  const cluster = await startCluster();
  try {
    await cluster.startSlave('s1');
    const { service, credentials } = cluster.master;
    const submit = async (request: object) => (await cluster.submit(request))[0]!;
    ids.plain = await submit({ argv: ['sh', '-c', 'echo out; echo err >&2'], key: 'once' });
    const retry = { backoffMs: 1, backoffMaxMs: 2 };
    ids.retried = await submit({ argv: ['false'], retries: 2, retry });
    const runs = [
      { name: 'a', argv: ['true'] },
      { name: 'b', argv: ['false'], after: ['a'] },
      { name: 'c', argv: ['true'], after: ['b', 'a'] },
    ].map((run) => runRequest.parse(run));
    const job = await service.submitJob({ name: 'j', runs }, me);
    ids.job = job.jobId;
    ids.inJob = job.runs[1]!;
    for (const id of [ids.plain, ids.retried, ...job.runs]) await cluster.done(id);
    ids.onSlave = await submit({ argv: ['sleep', '60'] });
    await until(async () => (await service.getRun(ids.onSlave)).substate === 'executing');
    const held = await submit({ argv: ['true'], held: true, after: [ids.onSlave] });
    await service.releaseRun(held, me);
    await submit({ argv: ['true'], held: true, arch: 'aarch64' });
    await credentials.create({ kind: 'user', name: 'ci', scopes: ['read'] });
    await cluster.blobs.put(bundleKey(bundle), only(BUNDLE), { bytesMax: 1000 });
    ids.waiting = await submit({ argv: ['true'], arch: 'aarch64', bundle });
    await cluster.master.stop();
    cpSync(join(cluster.root, 'state'), pristine, { recursive: true });
    cpSync(join(cluster.root, 'blobs'), join(pristine, 'blobs'), { recursive: true });
  } finally {
    await cluster.stop();
  }
}, 60_000);
afterAll(() => rmSync(pristine, { recursive: true, force: true }));

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'runyard-fsck-test-'));
  cpSync(pristine, state, { recursive: true });
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

/** Looks at the state, which must not change by that. */
async function check(more: { deep?: boolean; eventsMax?: number } = {}) {
  const found: Finding[] = [];
  const scratch = mkdtempSync(join(tmpdir(), 'runyard-fsck-scratch-'));
  const before = treeOf(state);
  try {
    const ports = { clock: systemClock, random: systemRandom, pid, scratch };
    const onFinding = (finding: Finding) => void found.push(finding);
    const summary = await checkState({
      directory: state,
      deep: true,
      onFinding,
      ...ports,
      ...more,
    });
    expect(readdirSync(scratch)).toEqual([]);
    return { summary, found, codes: [...new Set(found.map(({ code }) => code))].toSorted() };
  } finally {
    expect(treeOf(state)).toEqual(before);
    rmSync(scratch, { recursive: true });
  }
}

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
      raw(async (level) => level.compactRange('\0', '~')).then(() => overwrite(file('.ldb'), 200)),
  ],
  ['a record in another’s place', 'history_orphan store', () => raw(exchange)],
  ['the end of the log cut off', 'gap', () => truncateSync(file('.log'), 0)],
  ['a link of the chain deleted', 'gap', () => raw((level) => level.del(linkKey(5)))],
  ['the manifest deleted', 'store', () => rmSync(file('MANIFEST'))],
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
    () => overwrite(blob(outputKey(ids.plain, 1, 'stderr')), 0),
  ],
  ['an artifact missing', 'artifact_missing', () => withArtifact('x')],
  [
    'an artifact overwritten',
    'artifact_digest',
    () => withArtifact('y').then(() => place(artifactKey(ids.plain, 1, 'report.txt'), 'x')),
  ],
  ['a bundle removed', 'bundle_missing', () => rmSync(blob(bundleKey(bundle)))],
  ['a bundle overwritten', 'bundle_digest', () => overwrite(blob(bundleKey(bundle)), 0)],
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
    overwrite(blob(outputKey(ids.plain, 1, 'stderr')), 0);
    expect((await check({ deep: false })).found).toEqual([]);
  });
});

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Changes the state as a master would that decides wrongly. */
async function write(change: (store: StateStore) => Promise<readonly Op[]>): Promise<void> {
  const { store, fence } = await openAt(state);
  const result = await store.commit({ fence, ops: await change(store) });
  expect(result.ok).toBe(true);
  await store.close();
}

const put = (key: string, value: Uint8Array) => write(async () => [{ put: key, value }]);
const del = (key: string) => write(async () => [{ del: key }]);

async function readRun(
  store: StateStore,
  id: string,
): Promise<{ run: RunRecord; origin: RunOrigin }> {
  const origin = unpackOrigin((await store.get(keys.origin(id)))!.value);
  return { run: unpackRun((await store.get(keys.done(id)))!.value, origin), origin };
}

async function changeRun(
  store: StateStore,
  id: string,
  change: (run: RunRecord) => Partial<RunRecord>,
): Promise<Op[]> {
  const { run: before } = await readRun(store, id);
  return [{ put: keys.done(id), value: packRun({ ...before, ...change(before) }) }];
}

const run = (change: Partial<RunRecord>) =>
  write((store) => changeRun(store, ids.retried, () => change));
const context = (change: Partial<RunRecord['context']>) =>
  write((store) =>
    changeRun(store, ids.retried, ({ context: old }) => ({ context: { ...old, ...change } })),
  );

function doubled(): Promise<void> {
  return write(async (store) => {
    const { run: whole } = await readRun(store, ids.retried);
    return [{ put: keys.live(ids.retried), value: packRun(whole) }];
  });
}

function misplaced(): Promise<void> {
  return write(async (store) => {
    const { run: whole } = await readRun(store, ids.retried);
    return [
      { put: keys.live(ids.retried), value: packRun(whole) },
      { del: keys.done(ids.retried) },
    ];
  });
}

function copied(): Promise<void> {
  return write(async (store) => {
    const { run: other } = await readRun(store, ids.plain);
    return [{ put: keys.done(ids.retried), value: packRun(other) }];
  });
}

/** All pages of events; `change` makes each event of the retried run into another. */
function changeEvents(change: (event: EventRecord) => EventRecord): Promise<void> {
  return write(async (store) => {
    const ops: Op[] = [];
    for await (const { key, value } of store.scan({ gte: 'event/', lt: 'event0' })) {
      ops.push({ put: key, value: packEvents(unpackEvents(value).map(change)) });
    }
    return ops;
  });
}

const events = (change: (event: EventRecord) => EventRecord) =>
  changeEvents((event) => (event.run === ids.retried ? change(event) : event));

/** The last event of that type gets other contents. */
function happened(type: string, change: object): Promise<void> {
  return write(async (store) => {
    for await (const { key, value } of store.scan({ gte: 'event/', lt: 'event0', reverse: true })) {
      const page = unpackEvents(value);
      const at = page.findLastIndex((one) => one.run === ids.retried && one.event.type === type);
      if (at < 0) continue;
      page[at] = { ...page[at]!, event: { ...page[at]!.event, ...change } };
      return [{ put: key, value: packEvents(page) }];
    }
    throw new Error(`no ${type}`);
  });
}

function relabelled(): Promise<void> {
  return events((event) => ({ ...event, run: ids.plain }));
}

function dropFirstEvents(): Promise<void> {
  return del(keys.events(1));
}

function appended(): Promise<void> {
  return write(async (store) => {
    const { run: whole } = await readRun(store, ids.retried);
    let last = 0;
    for await (const { value } of store.scan({
      gte: 'event/',
      lt: 'event0',
      reverse: true,
      limit: 1,
    })) {
      last = unpackEvents(value).at(-1)!.seq;
    }
    const event = { type: 'abort.requested', at: 1, by: 'me', why: '' };
    const late = {
      seq: last + 1,
      run: whole.id,
      n: whole.events.length + 1,
      by: 'me',
      state: 'ABORTED',
      event,
    };
    return [{ put: keys.events(late.seq), value: packEvents([late]) }];
  });
}

function moved(): Promise<void> {
  return write(async (store) => {
    for await (const { key, value } of store.scan({
      gte: 'event/',
      lt: 'event0',
      reverse: true,
      limit: 1,
    })) {
      const { seq } = unpackEvents(value)[0]!;
      return [{ del: key }, { put: keys.events(seq + 5), value }];
    }
    throw new Error('no events');
  });
}

/** A run that kept a file of one byte, in record and history. */
async function withArtifact(content: string): Promise<void> {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const artifacts = [{ name: 'report.txt', bytes: 1, sha256 }];
  await changeEvents((event) =>
    event.run === ids.plain && event.event.type === 'attempt.finished'
      ? { ...event, event: { ...event.event, artifacts } }
      : event,
  );
  await write((store) =>
    changeRun(store, ids.plain, ({ context: old }) => ({ context: { ...old, artifacts } })),
  );
}

const job = (change: (job: JobRecord) => Partial<JobRecord>) =>
  write(async (store) => {
    const before = unpack<JobRecord>((await store.get(keys.job(ids.job)))!.value);
    return [{ put: keys.job(ids.job), value: pack({ ...before, ...change(before) }) }];
  });

const slave = (change: Partial<SlaveRecord>) =>
  write(async (store) => {
    const before = unpack<SlaveRecord>((await store.get(keys.slave('s1')))!.value);
    return [{ put: keys.slave('s1'), value: pack({ ...before, ...change }) }];
  });

type Raw = ClassicLevel<string, Buffer>;

/** Works on the database past the store. */
async function raw(work: (level: Raw) => Promise<unknown>): Promise<void> {
  const level: Raw = new ClassicLevel(join(state, 'db'), { valueEncoding: 'buffer' });
  await level.open();
  await work(level);
  await level.close();
}

async function exchange(level: Raw): Promise<void> {
  const [one, other] = [keys.origin(ids.retried), keys.done(ids.retried)];
  const [a, b] = await level.getMany([one, other]);
  await level.batch([
    { type: 'put', key: one, value: b! },
    { type: 'put', key: other, value: a! },
  ]);
}

function file(part: string): string {
  const db = join(state, 'db');
  return join(
    db,
    readdirSync(db).find((name) => name.includes(part))!,
  );
}

function blob(key: string): string {
  return join(state, 'blobs', key);
}

function place(key: string, content: string): void {
  mkdirSync(join(blob(key), '..'), { recursive: true });
  writeFileSync(blob(key), content);
}

/** One byte, so that the file keeps its length. */
function overwrite(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = bytes[at]! ^ 4;
  writeFileSync(path, bytes);
}
