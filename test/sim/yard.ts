/**
 * `runyard/sim`: a whole build yard in one process and in virtual time, to test your own rules,
 * graphs of runs and schedules. The master and the slaves are the real ones; clock, network, disks
 * and processes are simulated, so that an hour takes milliseconds and goes the same each time.
 */
import { silentLog } from '../../src/base/log.ts';
import { YardError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { MessageOutcome } from '../../src/protocol/http.ts';
import { isDone, runRequest } from '../../src/protocol/run.ts';
import type { RunRequestInput, RunStatus } from '../../src/protocol/run.ts';
import type { MasterService, Principal } from '../../src/protocol/service.ts';
import { readRules } from '../../src/trigger/rules.ts';
import { makeBlobDisk } from './blobs.ts';
import { makeDisk } from './disk.ts';
import { drawFrom } from './draw.ts';
import { KIND, inMacrotask, makeKernel } from './kernel.ts';
import { makeSimMaster } from './master.ts';
import { makeNet } from './net.ts';
import { makeSimSlave } from './slave.ts';
import type { SimSlave } from './slave.ts';
import type { Behaviour } from './tasks.ts';

/** One try of a run, when its process starts. */
export interface TaskStart {
  argv: readonly string[];
  runId: string;
  /** From 1. */
  attempt: number;
  slave: string;
}

/** What its process then does. Infinity: it goes on until it is stopped. */
export interface TaskPlay {
  takesMs: number;
  /** 0 unless told otherwise. */
  exitCode?: number;
  /** Ends by this signal instead. */
  signal?: string;
  /** Written to stdout at its end. */
  stdout?: string;
}

export interface SlaveOptions {
  name: string;
  /** x86_64 unless told otherwise. */
  arch?: string;
  labels?: Record<string, string>;
  /** 1 unless told otherwise. */
  slots?: number;
  resources?: Record<string, number>;
}

export interface YardOptions {
  slaves: readonly SlaveOptions[];
  /** What tasks do; absent: each takes a second and ends well. */
  task?: (start: TaskStart) => TaskPlay;
  /** Rules as YAML, for `send`. */
  rules?: string;
  /** 15 s unless told otherwise. */
  leaseMs?: number;
  /** Latencies are drawn from it. */
  seed?: string;
}

export interface SimulatedYard {
  /** Milliseconds since it began. */
  readonly nowMs: number;
  /** Gives the ids of the runs, once they are accepted. */
  submit: (...requests: RunRequestInput[]) => Promise<string[]>;
  /** Runs of one job: `after` may hold names of its own runs. Gives their ids, as they are listed. */
  submitJob: (job: { name?: string; runs: RunRequestInput[] }) => Promise<string[]>;
  /** Passes a message through triggers and rules. */
  send: (message: unknown) => Promise<MessageOutcome>;
  /** Time passes until they are done. Throws when they are not within so long, a day by default. */
  untilDone: (runIds: readonly string[], withinMs?: number) => Promise<RunStatus[]>;
  status: (runId: string) => Promise<RunStatus>;
  advance: (ms: number) => Promise<void>;
  /** Asks the master anything else; time passes until it answers. */
  call: <T>(ask: (service: MasterService, by: Principal) => Promise<T>) => Promise<T>;
  /** The process dies, and another is started after so long. */
  killMaster: (downMs: number) => void;
  killSlave: (name: string, downMs: number) => void;
  /** Nothing gets through between that slave and the master for so long. */
  partition: (name: string, ms: number) => void;
}

const me: Principal = { name: 'tester', kind: 'user', scopes: ['admin'] };
const DAY_MS = 86_400_000;
const GRID_MS = 100;

/** Opens a yard: its master serves and its slaves are welcomed when this resolves. */
export async function openYard(options: YardOptions): Promise<SimulatedYard> {
  const { leaseMs = 15_000, seed = 'yard', task = () => ({ takesMs: 1_000 }) } = options;
  let crash: unknown;
  const kernel = makeKernel((error) => void (crash ??= error));
  const draw = drawFrom(seededRandom(`sim/yard/${seed}`));
  const net = makeNet(kernel, draw.fork('net'), {
    latencyMinUs: 100,
    latencyMeanUs: 400,
    spikeRate: 0,
    spikeMaxUs: 0,
  });
  const disk = makeDisk(
    kernel,
    draw.fork('disk'),
    { readUs: 50, syncMinUs: 300, syncMeanUs: 500, stallRate: 0, stallMaxUs: 0 },
    () => {},
  );
  const ignore = () => {};
  const restart = (what: { start: () => void }, afterMs: number) =>
    void kernel.after(afterMs * 1000, KIND.world, what.start);

  const master = makeSimMaster({
    kernel,
    net,
    draw: draw.fork('master'),
    log: silentLog,
    disk,
    blobs: makeBlobDisk(),
    leaseMs,
    rate: 1,
    wallOffsetMs: 0,
    rules: options.rules === undefined ? undefined : rulesOf(options.rules),
    onSends: ignore,
    onHears: ignore,
    onCommit: ignore,
    onAppend: ignore,
    onServes: ignore,
    onOver: () => restart(master, 1_000),
  });

  function makeSlave(given: SlaveOptions): SimSlave {
    const { name, arch = 'x86_64', labels = {}, slots = 1, resources = {} } = given;
    const facts = { name, arch, labels, slots, resources };
    const slave: SimSlave = makeSimSlave({
      kernel,
      net,
      draw: draw.fork(name),
      log: silentLog,
      plan: { ...facts, rate: 1, wallOffsetMs: 0, joinsAtMs: 0 },
      behaviourOf({ key, argv }) {
        const at = key.lastIndexOf('.');
        const attempt = Number(key.slice(at + 1));
        return behaviourOf(task({ argv, runId: key.slice(0, at), attempt, slave: name }));
      },
      service: () => master.master!.service,
      onSends: ignore,
      onHears: ignore,
      onSpawn: ignore,
      onExit: ignore,
      onOver: () => restart(slave, 1_000),
    });
    return slave;
  }

  const slaves = new Map(options.slaves.map((given) => [given.name, makeSlave(given)]));
  const client = kernel.makeLife('client');

  /** Lets time pass until then, or to the end of that many milliseconds. */
  async function play(until: () => boolean, withinMs: number): Promise<void> {
    let isOver = false;
    await inMacrotask(() => {
      const end = kernel.after(withinMs * 1000, KIND.world, () => void (isOver = true));
      kernel.run(() => isOver || crash !== undefined || until());
      end.run = undefined;
    });
    if (crash !== undefined) throw crash as Error;
  }

  async function call<T>(ask: (service: MasterService, by: Principal) => Promise<T>): Promise<T> {
    let answer: { value: T } | { error: unknown } | undefined;
    const request = net.request('client', client, 'master', async () =>
      ask(master.master!.service, me),
    );
    request.then(
      (value) => (answer = { value }),
      (error: unknown) => (answer = { error }),
    );
    await play(() => answer !== undefined, DAY_MS);
    if (!answer) throw new YardError('sim.unanswered', 'the master gave no answer within a day');
    if ('error' in answer) throw answer.error as Error;
    return answer.value;
  }

  function getSlave(name: string): SimSlave {
    const slave = slaves.get(name);
    if (slave) return slave;
    throw new YardError('sim.slave', `this yard has no slave ${name}`);
  }

  master.start();
  for (const slave of slaves.values()) slave.start();
  const isReady = () => [...slaves.values()].every(({ agent }) => agent?.state === 'SERVING');
  await play(isReady, DAY_MS);

  return {
    get nowMs() {
      return kernel.now / 1000;
    },
    call,
    advance: (ms) => play(() => false, ms),
    async submit(...requests) {
      const parsed = requests.map((request) => runRequest.parse(request));
      return (await call((service) => service.submit(parsed, me))).map(({ runId }) => runId);
    },
    async submitJob({ name, runs }) {
      const parsed = runs.map((request) => runRequest.parse(request));
      return (await call((service) => service.submitJob({ name, runs: parsed }, me))).runs;
    },
    send: (message) => call((service) => service.takeMessage(message, me)),
    status: (runId) => call((service) => service.getRun(runId)),
    async untilDone(runIds, withinMs = DAY_MS) {
      const untilMs = kernel.now / 1000 + withinMs;
      const look = () =>
        call((service) => Promise.all(runIds.map((runId) => service.getRun(runId))));
      let runs = await look();
      while (!runs.every(({ state }) => isDone(state))) {
        if (kernel.now / 1000 >= untilMs) {
          const open = runs.filter(({ state }) => !isDone(state));
          const stands = open.map(
            ({ runId, state, substate }) => `${runId} is ${state} ${substate}`,
          );
          throw new YardError('sim.not_done', stands.join(', '));
        }
        await play(() => false, GRID_MS);
        runs = await look();
      }
      return runs;
    },
    killMaster(downMs) {
      master.kill(false);
      restart(master, downMs);
    },
    killSlave(name, downMs) {
      const slave = getSlave(name);
      slave.kill();
      restart(slave, downMs);
    },
    partition(name, ms) {
      getSlave(name);
      net.block(name, 'master');
      net.block('master', name);
      kernel.after(ms * 1000, KIND.fault, () => {
        net.unblock(name, 'master');
        net.unblock('master', name);
      });
    },
  };
}

function behaviourOf({ takesMs, exitCode = 0, signal, stdout = '' }: TaskPlay): Behaviour {
  const chunks = [{ atMs: takesMs, stream: 'stdout' as const, bytes: Buffer.from(stdout) }];
  return {
    unstartable: false,
    durationMs: takesMs,
    end: signal === undefined ? { kind: 'exited', code: exitCode } : { kind: 'signalled', signal },
    ignoresTerm: false,
    children: 0,
    childrenMs: 0,
    artifacts: [],
    litters: false,
    output: { chunks: stdout === '' ? [] : chunks },
  };
}

/** Tasks that rules name need no directory here: nothing of them is read. */
function rulesOf(text: string) {
  const commit = '0'.repeat(40);
  return {
    rules: readRules(text, { file: 'rules.yml' }),
    bundleOf: async (name: string) => ({
      id: `git+https://tasks.invalid/${encodeURIComponent(name)}@${commit}`,
      file: 'task.yml',
    }),
  };
}
