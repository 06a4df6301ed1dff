import { manualClock } from '../../src/base/clock.ts';
import type { ManualClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { makeIds, seededRandom } from '../../src/base/random.ts';
import { makeArchive } from '../../src/master/archive.ts';
import { makeHub } from '../../src/master/hub.ts';
import type { HubPorts } from '../../src/master/hub.ts';
import type { EventRecord } from '../../src/master/records.ts';
import { makeMemoryStore } from '../../src/master/store/memory.ts';
import type { StateStore } from '../../src/master/store/port.ts';
import { makeSubmit } from '../../src/master/submit.ts';
import { makeYard } from '../../src/master/yard.ts';
import { runRequest } from '../../src/protocol/run.ts';
import type { RunRequestInput } from '../../src/protocol/run.ts';
import type { Principal } from '../../src/protocol/service.ts';
import type { FinishedReport, Hello, ToMaster } from '../../src/protocol/to-master.ts';
import type { ToSlave } from '../../src/protocol/to-slave.ts';
import { pairConnections } from './pair.ts';

export const LEASE_MS = 15_000;
export const me: Principal = { name: 'me', kind: 'user', scopes: ['admin'] };

/** Lets everything run that waits for nothing but promises and the end of a turn. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A store whose commits can be held back, and fail, as those of a disk can. */
export function heldStore(inner: StateStore) {
  let held: { go: () => void; fail: (error: unknown) => void }[] | undefined;
  const store: StateStore = {
    ...inner,
    async commit(commit) {
      if (held) {
        const gate = new Promise<void>((go, fail) => held!.push({ go, fail }));
        await gate;
      }
      return inner.commit(commit);
    },
  };
  return {
    store,
    hold: () => void (held = []),
    release() {
      const waiting = held ?? [];
      held = undefined;
      for (const { go } of waiting) go();
    },
    fail(error: unknown) {
      const waiting = held ?? [];
      held = undefined;
      for (const { fail } of waiting) fail(error);
    },
  };
}

/** A yard and its hub on a store in memory, with a clock that a test moves. */
export async function openYard(
  given: {
    memory?: StateStore;
    clock?: ManualClock;
    epoch?: number;
    hub?: Partial<HubPorts>;
  } = {},
) {
  const clock = given.clock ?? manualClock();
  const memory = given.memory ?? makeMemoryStore(clock);
  if (!given.memory) await memory.open();
  const gate = heldStore(memory);
  const fence = (await memory.leases.acquire('yard', 'test', LEASE_MS))!;
  const random = seededRandom(fence.epoch);
  const ids = makeIds(random);
  const archive = makeArchive(gate.store);
  const yard = makeYard({ store: gate.store, archive, fence, clock, ids, log: silentLog });
  const hub = makeHub({
    yard,
    clock,
    random,
    log: silentLog,
    masterEpoch: fence.epoch,
    leaseMs: LEASE_MS,
    takeOrigin: archive.takeOrigin,
    keep: () => undefined,
    sizesOf: async () => ({}),
    ...given.hub,
  });
  await yard.open();
  const events: EventRecord[] = [];
  yard.onEvents((heard) => void events.push(...heard));
  const { submit } = makeSubmit({
    yard,
    store: gate.store,
    blobs: { stat: async () => undefined } as never,
    clock,
    ids,
    allowGitFile: true,
  });
  return {
    clock,
    memory,
    gate,
    store: gate.store,
    archive,
    fence,
    ids,
    yard,
    hub,
    events,
    submit,
    async run(request: RunRequestInput = { argv: ['true'] }): Promise<string> {
      return (await submit([runRequest.parse(request)], me))[0]!.runId;
    },
    slave: (name: string, own: Partial<Hello> = {}) => scriptedSlave(clock, hub, name, own),
    /** Connects a slave, greets, and resolves once it is welcomed. */
    async welcomed(name: string, own: Partial<Hello> = {}) {
      const slave = scriptedSlave(clock, hub, name, own);
      slave.greet();
      await settled();
      return slave;
    },
    at: async (id: string) => (await yard.ledger.findRun(id))!,
    /** Aborts a run, as somebody who asks for that does. */
    async abort(id: string, why = ''): Promise<void> {
      const abort = { type: 'abort.requested', at: clock.wall(), by: me.name, why } as const;
      await yard.transact((tx) => void tx.run(id, abort, me.name));
    },
    /** Moves time on in steps short enough for what is due to be decided and saved in between. */
    async pass(ms: number, stepMs = 1_000) {
      for (let rest = ms; rest > 0; rest -= stepMs) {
        clock.advance(Math.min(rest, stepMs));
        await settled();
      }
    },
  };
}

let connections = 0;

/** The far end of a slave's connection: says what a test lets it say, and keeps what it hears. */
export function scriptedSlave(
  clock: ManualClock,
  hub: ReturnType<typeof makeHub>,
  name: string,
  own: Partial<Hello> = {},
) {
  const [ours, far] = pairConnections<ToMaster, ToSlave>(clock, `${name}${connections++}`);
  const heard: ToSlave[] = [];
  let closed: string | undefined;
  // What is sent right before a close is heard too: a real wire lets it through.
  const theirs = {
    ...far,
    send(messages: readonly ToSlave[]) {
      heard.push(...messages);
      far.send(messages);
    },
  };
  ours.onMessages(() => {});
  ours.onClose((reason) => void (closed = reason));
  hub.accept(theirs, { name: undefined });
  const greeting: Hello = {
    type: 'hello',
    name,
    incarnation: `${name}-1`,
    protocol: { min: '1.0', max: '1.0' },
    version: '0.1.0',
    arch: 'x86_64',
    labels: {},
    slots: 2,
    resources: {},
    isolations: ['none'],
    draining: false,
    held: [],
    reports: [],
    masterEpoch: 0,
    host: 'test',
    ...own,
  };
  return {
    heard,
    ours,
    theirs,
    get closed() {
      return closed;
    },
    greet: () => ours.send([greeting]),
    send: (...messages: ToMaster[]) => ours.send(messages),
    close: (reason = 'cut') => ours.close(reason),
    all: <T extends ToSlave['type']>(type: T) =>
      heard.filter((message): message is Extract<ToSlave, { type: T }> => message.type === type),
    /** The latest assignment that it was sent. */
    claim(index = -1) {
      const { runId, attempt, token } = heard
        .filter((message) => message.type === 'assign')
        .at(index)!;
      return { runId, attempt, token };
    },
  };
}

export type Claim = Pick<FinishedReport, 'runId' | 'attempt' | 'token'>;

export function reportOf(claim: Claim, code = 0): FinishedReport {
  return { ...claim, ending: { kind: 'exited', code }, artifacts: [], notes: [] };
}

export function finishedMessage(claim: Claim, code = 0): Extract<ToMaster, { type: 'finished' }> {
  return { type: 'finished', ...reportOf(claim, code) };
}

/** As a slave speaks of an attempt that it has. */
export const held = (claim: Claim, phase = 'executing') => [
  { ...claim, phase: phase as 'executing' },
];

/** A run that the slave s1 has accepted; the master may not have heard of it yet. */
export async function taken(yard: Awaited<ReturnType<typeof openYard>>) {
  const id = await yard.run();
  const slave = await yard.welcomed('s1');
  const claim = slave.claim();
  slave.send({ type: 'accept', ...claim });
  return { id, slave, claim };
}
