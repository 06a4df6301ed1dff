/**
 * Ways to damage that state: as a master would that decides wrongly, and in its blobs.
 * The run is the one that was tried thrice, where nothing else is said.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { keys, pack, unpack } from '../records.ts';
import type { EventRecord, JobRecord, RunOrigin, RunRecord, SlaveRecord } from '../records.ts';
import { packEvents, packRun, unpackEvents, unpackOrigin, unpackRun } from '../rows.ts';
import { openAt } from '../store/level-fixture.ts';
import type { Op, StateStore } from '../store/port.ts';
import { ids, state } from './fsck-fixture.ts';

/** Changes the state as a master would that decides wrongly. */
export async function write(change: (store: StateStore) => Promise<readonly Op[]>): Promise<void> {
  const { store, fence } = await openAt(state);
  const result = await store.commit({ fence, ops: await change(store) });
  expect(result.ok).toBe(true);
  await store.close();
}

export const put = (key: string, value: Uint8Array) => write(async () => [{ put: key, value }]);
export const del = (key: string) => write(async () => [{ del: key }]);

async function readRun(
  store: StateStore,
  id: string,
): Promise<{ run: RunRecord; origin: RunOrigin }> {
  const origin = unpackOrigin((await store.get(keys.origin(id)))!.value);
  return { run: unpackRun((await store.get(keys.done(id)))!.value, origin), origin };
}

export async function changeRun(
  store: StateStore,
  id: string,
  change: (run: RunRecord) => Partial<RunRecord>,
): Promise<Op[]> {
  const { run: before } = await readRun(store, id);
  return [{ put: keys.done(id), value: packRun({ ...before, ...change(before) }) }];
}

export const run = (change: Partial<RunRecord>) =>
  write((store) => changeRun(store, ids.retried, () => change));
export const context = (change: Partial<RunRecord['context']>) =>
  write((store) =>
    changeRun(store, ids.retried, ({ context: old }) => ({ context: { ...old, ...change } })),
  );

export function doubled(): Promise<void> {
  return write(async (store) => {
    const { run: whole } = await readRun(store, ids.retried);
    return [{ put: keys.live(ids.retried), value: packRun(whole) }];
  });
}

export function misplaced(): Promise<void> {
  return write(async (store) => {
    const { run: whole } = await readRun(store, ids.retried);
    return [
      { put: keys.live(ids.retried), value: packRun(whole) },
      { del: keys.done(ids.retried) },
    ];
  });
}

export function copied(): Promise<void> {
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

export const events = (change: (event: EventRecord) => EventRecord) =>
  changeEvents((event) => (event.run === ids.retried ? change(event) : event));

/** The last event of that type gets other contents. */
export function happened(type: string, change: object): Promise<void> {
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

export function relabelled(): Promise<void> {
  return events((event) => ({ ...event, run: ids.plain }));
}

export function dropFirstEvents(): Promise<void> {
  return del(keys.events(1));
}

export function appended(): Promise<void> {
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

export function moved(): Promise<void> {
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
export async function withArtifact(content: string): Promise<void> {
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

export const job = (change: (job: JobRecord) => Partial<JobRecord>) =>
  write(async (store) => {
    const before = unpack<JobRecord>((await store.get(keys.job(ids.job)))!.value);
    return [{ put: keys.job(ids.job), value: pack({ ...before, ...change(before) }) }];
  });

export const slave = (change: Partial<SlaveRecord>) =>
  write(async (store) => {
    const before = unpack<SlaveRecord>((await store.get(keys.slave('s1')))!.value);
    return [{ put: keys.slave('s1'), value: pack({ ...before, ...change }) }];
  });

export function blob(key: string): string {
  return join(state, 'blobs', key);
}

export function place(key: string, content: string): void {
  mkdirSync(join(blob(key), '..'), { recursive: true });
  writeFileSync(blob(key), content);
}
