/** Puts a master together from its real parts. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, statfs, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeApi } from '../api/server.ts';
import { systemClock } from '../base/clock.ts';
import { YardError, isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { count } from '../protocol/counters.ts';
import type { Counters } from '../protocol/counters.ts';
import { toMaster } from '../protocol/to-master.ts';
import type { ToMaster } from '../protocol/to-master.ts';
import type { ToSlave } from '../protocol/to-slave.ts';
import { backUpState, restoreState } from './backup.ts';
import type { BackupPorts, BackupSummary, RestoreSummary } from './backup.ts';
import { checkState } from './fsck/fsck.ts';
import type { FsckOptions, FsckSummary } from './fsck/fsck.ts';
export { formatFinding } from './fsck/finding.ts';
export { checkRules } from './rule-files.ts';
import type { SlaveIdentity } from './greeting.ts';
import type { ProcessFacts } from './inspect/inspection.ts';
import { keep } from './keep.ts';
import { openMaster } from './master.ts';
import type { Master } from './master.ts';
import { factsOf, watchLag } from './process-facts.ts';
import { bundleOf, readRulesFile } from './rule-files.ts';
import type { TaskPorts } from './rule-files.ts';
import { listenForSlaves } from './socket.ts';
import type { Credentials } from './socket.ts';
import { makeBlobs } from './store/blobs.ts';
import { makeLevelStore } from './store/level.ts';

export interface MasterOptions extends TaskPorts {
  state: string;
  host: string;
  port: number;
  tls?: { cert: string; key: string } | undefined;
  /** Listen beyond loopback without TLS all the same. */
  insecure?: boolean | undefined;
  /** `none` asks nobody for a token; by default so on loopback only. */
  auth?: 'none' | 'tokens' | undefined;
  rules?: string | undefined;
  leaseMs?: number | undefined;
  allowGitFile?: boolean | undefined;
  /** Where the Stately Inspector is served, if not by its maker. */
  statelyUi?: string | undefined;
  /** Called when all is ready but for the address. */
  beforeListening?: (() => Promise<void>) | undefined;
  log: Log;
}

export interface RunningMaster {
  readonly url: string;
  readonly epoch: number;
  close: () => Promise<void>;
  /** Rejects when this master cannot go on. */
  readonly done: Promise<never>;
  readonly master: Master;
}

/** The page, beside the compiled master. */
const PAGE = fileURLToPath(new URL('../web/', import.meta.url));
const LEASE_MS = 15_000;
const SAMPLE_MS = 1_000;
/** Above what one honest slave needs that runs thousands of short tasks a second. */
const RATE = { framesPerSecond: 5_000, bytesPerSecond: 32 * 2 ** 20 };

/** Room to open the state and to write for a while: so much, or that part of a small disk. */
const ROOM_BYTES = 16 * 2 ** 20;
const ROOM_PART = 1 / 16;

/** A master that waits for room where its disk is full; its first start must succeed. */
export function keepMaster(
  options: MasterOptions,
): Promise<Omit<RunningMaster, 'epoch' | 'master'>> {
  const { host, log, tls } = options;
  // An address does not name the port that its scheme has anyhow.
  const portOf = (url: string) => Number(new URL(url).port) || options.port;
  return keep({
    clock: systemClock,
    log,
    start(again) {
      if (!again) return startMaster(options);
      const { url, beforeListening } = again;
      return startMaster({ ...options, port: portOf(url), beforeListening });
    },
    async standIn(url, service) {
      const clock = systemClock;
      const api = makeApi({ service, log, clock, page: PAGE, ...(tls ? { tls } : {}) });
      await api.listen(host, portOf(url));
      return api;
    },
    async hasRoom() {
      const { bavail, blocks, bsize } = await statfs(resolve(options.state));
      return bavail * bsize >= Math.min(ROOM_BYTES, blocks * bsize * ROOM_PART);
    },
  });
}

export async function startMaster(options: MasterOptions): Promise<RunningMaster> {
  const { host, log } = options;
  const isLoopback = isLoopbackHost(host);
  if (!isLoopback && !options.tls && !options.insecure) {
    throw new YardError('config.tls_required', `${host} is not loopback and there is no TLS`, {
      hint: 'give --tls-cert and --tls-key, or --insecure if the network is yours alone',
    });
  }
  const directory = resolve(options.state);
  const clock = systemClock;
  const rules = options.rules === undefined ? undefined : readRulesFile(options.rules);
  const store = makeLevelStore({ directory, clock, random: systemRandom, pid: process.pid });
  const openAccess = (options.auth ?? (isLoopback ? 'none' : 'tokens')) === 'none';
  let url = '';
  const blobs = lazyBlobs(join(directory, 'blobs'));
  const lag = watchLag();
  const opening = openMaster({
    store,
    blobs: blobs.port,
    clock,
    random: systemRandom,
    log,
    openAccess,
    allowGitFile: options.allowGitFile ?? false,
    leaseMs: options.leaseMs ?? LEASE_MS,
    baseUrl: () => url,
    processFacts: async () => ({
      ...(await factsOf(process, join(directory, 'db'))),
      eventLoop: lag.view(),
      config: settingsOf(options, openAccess),
    }),
    keepCapsule: (name, text) => keepIn(join(directory, 'breaches'), name, text),
    rules: rules && { rules, bundleOf: (task) => bundleOf(options, blobs.port, task) },
  });
  // Whoever starts another one in this process finds the state closed.
  const master = await orClosed(opening, () => store.close());
  const { service } = master;
  if (!openAccess) await orClosed(ensureAdmin(master, directory, log), () => master.stop());
  const { tls, statelyUi } = options;
  const api = makeApi({
    service,
    log,
    clock,
    page: PAGE,
    ...(tls ? { tls } : {}),
    ...(statelyUi === undefined ? {} : { statelyUi }),
  });
  const counters: Counters = new Map();
  const listener = listenForSlaves<ToSlave, ToMaster, SlaveIdentity>(api.server, {
    authorize: (credentials) => authorize(master, credentials, openAccess),
    schema: toMaster,
    clock,
    log,
    counters,
    rate: RATE,
  });
  listener.onConnection(master.hub.accept);
  await options.beforeListening?.();
  ({ url } = await api.listen(host, options.port));
  master.begin();
  count(counters, 'started');
  const sampling = setInterval(() => master.sample(lag.turn()), SAMPLE_MS);
  sampling.unref();

  let closing: Promise<void> | undefined;
  return {
    url,
    epoch: master.epoch,
    master,
    done: master.yard.fatal,
    close: () =>
      (closing ??= (async () => {
        clearInterval(sampling);
        lag.stop();
        await listener.close('master.stopping: this master is going down');
        await api.close();
        await master.stop();
      })()),
  };
}

/** By name, never what is in the files that they name. */
function settingsOf(
  { host, port, tls, rules, tasks, leaseMs, allowGitFile, state }: MasterOptions,
  openAccess: boolean,
): ProcessFacts['config'] {
  return {
    state,
    host,
    port,
    tls: tls !== undefined,
    auth: openAccess ? 'none' : 'tokens',
    leaseMs: leaseMs ?? LEASE_MS,
    allowGitFile: allowGitFile ?? false,
    ...(rules === undefined ? {} : { rules }),
    ...(tasks === undefined ? {} : { tasks }),
  };
}

async function orClosed<T>(work: Promise<T>, close: () => Promise<void>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await close();
    throw error;
  }
}

/** So many files, and no more, whatever goes wrong. */
const BREACHES_MAX = 100;

async function keepIn(directory: string, name: string, text: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if ((await readdir(directory)).length >= BREACHES_MAX) return;
  await writeFile(join(directory, name), text, { mode: 0o600 });
}

/** The blob store may be opened only once the state's lock is held: at its first use. */
function lazyBlobs(directory: string) {
  let opened: ReturnType<typeof makeBlobs> | undefined;
  const get = () => (opened ??= makeBlobs({ directory }));
  type Blobs = Awaited<ReturnType<typeof makeBlobs>>;
  const port: Blobs = {
    put: async (...args) => (await get()).put(...args),
    putSmall: async (...args) => (await get()).putSmall(...args),
    append: async (...args) => (await get()).append(...args),
    seal: async (...args) => (await get()).seal(...args),
    stat: async (...args) => (await get()).stat(...args),
    get: async (...args) => (await get()).get(...args),
    grown: async (...args) => (await get()).grown(...args),
    remove: async (...args) => (await get()).remove(...args),
    close: async () => {
      await (await opened)?.close();
    },
  };
  return { port };
}

async function authorize(
  { service }: Master,
  { auth, headers, remote }: Credentials,
  openAccess: boolean,
): Promise<SlaveIdentity | YardError> {
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  const token = typeof auth['token'] === 'string' ? auth['token'] : bearer;
  if (token === undefined && openAccess) return { name: undefined };
  try {
    const principal = await service.authenticate(token, remote);
    if (principal.kind === 'slave') return { name: principal.name };
    if (openAccess || principal.scopes.includes('admin')) return { name: undefined };
    return new YardError('authz.scope', `a ${principal.kind} token cannot connect as a slave`, {
      hint: 'enrol the slave first',
    });
  } catch (error) {
    if (isYardError(error)) return error;
    throw error;
  }
}

/** The first token of a master that asks for tokens; only its owner can read it. */
async function ensureAdmin({ credentials }: Master, directory: string, log: Log): Promise<void> {
  const file = join(directory, 'admin.token');
  const hasAdmin = credentials.list().some(({ scopes }) => scopes.includes('admin'));
  if (hasAdmin && existsSync(file)) return;
  const { token } = await credentials.create({ kind: 'user', name: 'admin', scopes: ['admin'] });
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  log.info({ file }, 'the first admin token is in this file');
}

/** Looks whether a state that no master has open keeps what is promised; changes nothing. */
export function fsck(
  options: Pick<FsckOptions, 'directory' | 'deep' | 'onFinding' | 'onProgress'>,
): Promise<FsckSummary> {
  return checkState({ ...options, ...machinePorts() });
}

/** Backs up a state; where a master has it open, `live` asks that for its store. */
export function backUp(options: Parameters<typeof backUpState>[0]): Promise<BackupSummary> {
  return backUpState(options, machinePorts());
}

/** Makes a state of a backup. */
export function restore(options: Parameters<typeof restoreState>[0]): Promise<RestoreSummary> {
  return restoreState(options, machinePorts());
}

function machinePorts(): BackupPorts {
  return { clock: systemClock, random: systemRandom, pid: process.pid, scratch: tmpdir() };
}

function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
