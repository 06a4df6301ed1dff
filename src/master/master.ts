/**
 * The master, whole, from its ports: what a `main` gives real parts and the simulator its own.
 */
import type { MasterService } from '../protocol/service.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { makeIds } from '../base/random.ts';
import type { Random } from '../base/random.ts';
import { makeArchive } from './archive.ts';
import { streamBackup } from './backup-stream.ts';
import { makeBreachKeeper } from './breaches.ts';
import type { KeepCapsule } from './breaches.ts';
import { makeCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { makeFeed } from './feed.ts';
import { makeHub } from './hub.ts';
import type { Hub } from './hub.ts';
import { openInspection } from './inspect/inspection.ts';
import type { ProcessFacts } from './inspect/inspection.ts';
import { makeMessageTaker } from './messages.ts';
import type { MessagePorts, MessageTaker } from './messages.ts';
import { makeMetrics } from './metrics.ts';
import { makeMonitor } from './monitor.ts';
import { makeOutputKeeper } from './outputs.ts';
import { makeService } from './service.ts';
import type { BlobStore, StateStore } from './store/port.ts';
import { makeYard } from './yard.ts';
import type { Yard } from './yard.ts';

export interface MasterPorts {
  store: StateStore;
  blobs: BlobStore;
  clock: Clock;
  random: Random;
  log: Log;
  /** Without tokens anybody may do anything. */
  openAccess: boolean;
  allowGitFile: boolean;
  leaseMs: number;
  baseUrl: () => string;
  /** Absent: no messages are taken. */
  rules?: Pick<MessagePorts, 'rules' | 'bundleOf'> | undefined;
  /** Keeps what shows a broken invariant; absent: it is only counted and logged. */
  keepCapsule?: KeepCapsule | undefined;
  /** What devtools show of the process; absent: nothing. */
  processFacts?: (() => Promise<ProcessFacts>) | undefined;
}

export interface Master {
  readonly service: MasterService;
  readonly hub: Hub;
  readonly yard: Yard;
  readonly credentials: Credentials;
  readonly epoch: number;
  /** Call once a second: notes a point of each figure that charts show. */
  readonly sample: (loopLagMs: number) => void;
  /** Call once slaves can reach it: how long to wait for those that had runs. */
  begin: () => void;
  stop: () => Promise<void>;
}

/** Slaves reconnect with at most this backoff; a restarted master waits for them (step 8). */
const BACKOFF_MAX_MS = 5_000;
const SHARD = 'yard';

/** Opens the store, raises the epoch, loads what lives; nothing is served before it resolves. */
export async function openMaster(ports: MasterPorts): Promise<Master> {
  const { store, blobs, clock, random, log, leaseMs } = ports;
  const ids = makeIds(random);
  await store.open();
  const fence = await store.leases.acquire(SHARD, ids.random(10), leaseMs);
  if (!fence) throw new YardError('store.locked', 'another master owns this store');
  const archive = makeArchive(store);
  const yard = makeYard({ store, archive, fence, clock, ids, log });
  const { historyOf } = archive;
  const monitor = makeMonitor(makeBreachKeeper({ log, historyOf, keep: ports.keepCapsule }));
  yard.onEvents(monitor.hear);
  const outputs = makeOutputKeeper({
    blobs,
    clock,
    log,
    findRun: (runId) => yard.ledger.findRun(runId),
    historyOf,
    untilEvent: (runId, signal) => yard.untilEvent(runId, signal),
  });
  const { openAccess, allowGitFile, baseUrl } = ports;
  const credentials = makeCredentials({ store, ledger: yard.ledger, clock, ids, openAccess });
  const hub = makeHub({
    yard,
    clock,
    random,
    log,
    masterEpoch: fence.epoch,
    leaseMs,
    takeOrigin: archive.takeOrigin,
    keep: outputs.keep,
    sizesOf: outputs.sizesOf,
  });
  await yard.open();
  await credentials.load();
  let taker: MessageTaker | undefined;
  let backedUpAt: number | undefined;
  const feed = makeFeed(yard, archive);
  const inspection = openInspection({
    yard,
    hub,
    store,
    archive,
    feed,
    clock,
    ids,
    log,
    baseUrl,
    epoch: fence.epoch,
    processFacts: ports.processFacts,
  });
  const metrics = makeMetrics({
    clock,
    yard,
    hub,
    breaches: monitor.counts,
    backedUpAt: () => backedUpAt,
    inspect: inspection.counts,
  });
  const service = makeService({
    yard,
    feed,
    devtools: inspection.devtools,
    store,
    archive,
    blobs,
    outputs,
    credentials,
    clock,
    ids,
    baseUrl,
    allowGitFile,
    messages: () => taker,
    drained: hub.drained,
    metrics: metrics.text,
    openBackup: () => streamBackup(store, () => (backedUpAt = clock.wall())),
  });
  if (ports.rules) {
    const arches = () => [...new Set([...yard.rooms.values()].map(({ arch }) => arch))].sort();
    const { submitJob } = service;
    taker = inspection.noting(makeMessageTaker({ ...ports.rules, arches, submitJob }));
  }
  const drains = watchDrains(yard, clock);

  return {
    service,
    hub,
    yard,
    credentials,
    epoch: fence.epoch,
    sample: (loopLagMs) => inspection.sample(metrics.totals, loopLagMs),
    begin: () => hub.expectReturn(2 * leaseMs + 2 * BACKOFF_MAX_MS),
    async stop() {
      drains.stop();
      hub.stop('master.stopping: this master is going down');
      yard.stop();
      // Commits under way are let through before the store closes.
      await sleep(clock, 0);
      await store.close();
      await outputs.close();
      await blobs.close();
    },
  };
}

/** A drain that has an end in sight is over when its time has come. */
function watchDrains(yard: Yard, clock: Clock): { stop: () => void } {
  let timer = clock.setTimeout(look, DRAINS_LOOK_MS);

  function look(): void {
    timer = clock.setTimeout(look, DRAINS_LOOK_MS);
    const at = clock.wall();
    const due: string[] = [];
    for (const { name, context } of yard.ledger.slaves()) {
      const untilAt = context.drain?.untilAt;
      if (untilAt !== undefined && untilAt <= at) due.push(name);
    }
    if (due.length === 0) return;
    const expire = yard.transact((tx) => {
      for (const name of due) tx.slave(name, { type: 'drain.expired', at });
    });
    // Only ever a store that failed, which is told by `yard.fatal`.
    expire.catch(() => {});
  }

  return { stop: () => timer.cancel() };
}

/** The wall clock may jump: whoever slept until then would sleep too long. */
const DRAINS_LOOK_MS = 1000;
