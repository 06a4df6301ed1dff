/** The master as its API sees it: each function asks the yard, and answers with what is durable. */
import type { Devtools, MasterService, Principal } from '../protocol/service.ts';
import type { Clock } from '../base/clock.ts';
import { YardError, quote } from '../base/errors.ts';
import type { Ids } from '../base/random.ts';
import { formatInstant } from '../base/units.ts';
import { holdText } from '../protocol/hold.ts';
import type { RunQuery } from '../protocol/http.ts';
import { isDone } from '../protocol/run.ts';
import type { RunRequest, RunStatus } from '../protocol/run.ts';
import type { Archive } from './archive.ts';
import type { Credentials } from './credentials.ts';
import type { MessageTaker } from './messages.ts';
import type { OutputKeeper } from './outputs.ts';
import type { RunRecord } from './records.ts';
import { historyOf, slaveStatusOf, statusOf } from './status.ts';
import type { BlobStore, StateStore } from './store/port.ts';
import { searchRuns } from './run-search.ts';
import { blobRoutes } from './service-blobs.ts';
import { jobRoutes } from './service-jobs.ts';
import { makeSubmit } from './submit.ts';
import type { Submit } from './submit.ts';
import type { Feed } from './feed.ts';
import { makeWatch } from './watch.ts';
import { explain } from './why.ts';
import type { Yard } from './yard.ts';

export interface ServicePorts {
  yard: Yard;
  store: StateStore;
  archive: Archive;
  feed: Feed;
  devtools: Devtools;
  blobs: BlobStore;
  outputs: OutputKeeper;
  credentials: Credentials;
  clock: Clock;
  ids: Ids;
  baseUrl: () => string;
  allowGitFile: boolean;
  /** Set once the master is ready to take messages. */
  messages: () => MessageTaker | undefined;
  metrics: () => Promise<string>;
  /** Resolves when a slave that is being drained will start nothing more. */
  drained: (slave: string) => Promise<void>;
  openBackup: MasterService['openBackup'];
}

export function makeService(ports: ServicePorts): MasterService {
  const { yard, store, credentials } = ports;
  const { submit } = makeSubmit(ports);
  return {
    authenticate: async (token) => credentials.authenticate(token),
    submit,
    watch: makeWatch(ports.feed),
    ...ports.devtools,
    metrics: ports.metrics,
    openBackup: ports.openBackup,
    async readiness() {
      const { writable } = await store.health();
      const checks = { store: writable ? 'ok' : 'not writable' };
      return { ready: writable, checks };
    },
    why: (runId) => explain(yard, store, runId),
    async takeMessage(raw, by) {
      const taker = ports.messages();
      if (!taker) {
        throw new YardError('rules.none', 'this master has no rules', {
          hint: 'start it with --rules',
        });
      }
      return taker(raw, by);
    },
    ...runRoutes(ports, submit),
    ...jobRoutes(ports, submit),
    ...slaveRoutes(ports),
    ...blobRoutes(ports),
    ...tokenRoutes(ports),
  };
}

function runRoutes({ yard, archive, clock, baseUrl }: ServicePorts, submit: Submit) {
  async function getRecord(runId: string): Promise<RunRecord> {
    const run = await yard.ledger.findRun(runId);
    if (run) return run;
    throw new YardError('run.unknown', `no run ${quote(runId)}`, {
      hint: 'see "runyard run list"',
    });
  }

  const getRun = async (runId: string) => statusOf(await getRecord(runId), baseUrl());

  async function getRequest(runId: string): Promise<RunRequest> {
    const origin = await archive.findOrigin(runId);
    if (!origin) await getRecord(runId);
    return origin!.request;
  }

  async function waitRun(runId: string, waitMs: number, signal: AbortSignal): Promise<RunStatus> {
    const done = yard.untilDone(runId);
    const run = await getRecord(runId).catch((error: unknown) => {
      done.giveUp();
      throw error;
    });
    if (isDone(run.state) || signal.aborted) {
      done.giveUp();
      return statusOf(run, baseUrl());
    }
    signal.addEventListener('abort', done.giveUp, { once: true });
    const timer = clock.setTimeout(done.giveUp, waitMs);
    const ended = await done.record;
    timer.cancel();
    signal.removeEventListener('abort', done.giveUp);
    return ended ? statusOf(ended, baseUrl()) : getRun(runId);
  }

  return {
    getRun,
    getRequest,
    waitRun,
    listRuns: (query: RunQuery) =>
      searchRuns(archive.newestFirst(query.before), query, (run) => statusOf(run, baseUrl())),
    async history(runId: string) {
      return (await archive.historyOf(await getRecord(runId))).map(historyOf);
    },
    async abortRun(runId: string, by: Principal, why: string) {
      const run = await getRecord(runId);
      if (isDone(run.state)) return statusOf(run, baseUrl());
      const event = { type: 'abort.requested', at: clock.wall(), by: by.name, why } as const;
      await yard.transact((tx) => void tx.run(runId, event, by.name));
      const patience = run.context.limits.graceMs + 60_000;
      return waitRun(runId, patience, new AbortController().signal);
    },
    async holdRun(runId: string, by: Principal, note: string) {
      const event = { type: 'run.held', at: clock.wall(), by: by.name, note } as const;
      let changed = false;
      await yard.transact((tx) => void (changed = tx.run(runId, event, by.name) !== undefined));
      const status = await getRun(runId);
      const { hold } = status;
      // Who did not hear the answer asks again.
      if (changed || (hold?.by === by.name && hold.note === note)) return status;
      if (hold) {
        throw new YardError('hold.taken', `run ${runId} is held ${holdText(hold)}`, {
          hint: 'release it to hold it anew',
        });
      }
      const stands = `${status.state}${status.substate === undefined ? '' : `.${status.substate}`}`;
      throw new YardError('hold.too_late', `run ${runId} is ${stands}`, {
        hint: 'only what waits can be held',
      });
    },
    async releaseRun(runId: string, by: Principal) {
      const event = { type: 'run.released', at: clock.wall(), by: by.name } as const;
      await yard.transact((tx) => void tx.run(runId, event, by.name));
      return getRun(runId);
    },
    async rerun(runId: string, by: Principal) {
      const { key: _, held: __, after: ___, ...again } = await getRequest(runId);
      const [submitted] = await submit([{ ...again, held: false, after: [] }], by);
      return submitted!;
    },
  };
}

function slaveRoutes({ yard, clock, drained }: ServicePorts) {
  function getRecord(name: string) {
    const slave = yard.ledger.slave(name);
    if (slave) return slave;
    throw new YardError('slave.unknown', `no slave ${quote(name)}`, {
      hint: 'see "runyard slave list"',
    });
  }
  const getSlave = async (name: string) => slaveStatusOf(getRecord(name), yard.rooms.get(name));
  return {
    getSlave,
    listSlaves: async () =>
      [...yard.ledger.slaves()].map((slave) => slaveStatusOf(slave, yard.rooms.get(slave.name))),
    async drainSlave(
      name: string,
      by: Principal,
      { note, forMs }: { note: string; forMs?: number | undefined },
    ) {
      getRecord(name);
      const at = clock.wall();
      const untilAt = forMs === undefined ? undefined : at + forMs;
      const event = { type: 'drain.requested', at, by: by.name, note, untilAt } as const;
      await yard.transact((tx) => void tx.slave(name, event));
      await drained(name);
      return getSlave(name);
    },
    async resumeSlave(name: string, by: Principal) {
      getRecord(name);
      const event = { type: 'resume.requested', at: clock.wall(), by: by.name } as const;
      await yard.transact((tx) => void tx.slave(name, event));
      return getSlave(name);
    },
  };
}

function tokenRoutes({ credentials }: ServicePorts) {
  return {
    createToken: (request: Parameters<MasterService['createToken']>[0]) =>
      credentials.create(request),
    listTokens: async () =>
      credentials.list().map(({ id, kind, name, scopes, expiresAt }) => ({
        id,
        kind,
        name,
        scopes,
        ...(expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) }),
      })),
    async revokeToken(id: string) {
      await credentials.revoke(id);
    },
    enrol: (name: string, by: Principal) => credentials.enrol(name, by),
  };
}
