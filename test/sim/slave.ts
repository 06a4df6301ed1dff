/** A slave machine and the processes of the slave program on it: the real agent on simulated ports. */
import type { BuggifySite } from '../../src/base/buggify.ts';
import type { Log } from '../../src/base/log.ts';
import { makeIds } from '../../src/base/random.ts';
import { sleep } from '../../src/base/clock.ts';
import { YardError, isYardError } from '../../src/base/errors.ts';
import { sha256Of } from '../../src/base/sha256.ts';
import type { MasterService, Principal } from '../../src/protocol/service.ts';
import type { Hello, ToMaster } from '../../src/protocol/to-master.ts';
import { toSlave } from '../../src/protocol/to-slave.ts';
import type { Assignment, ToSlave } from '../../src/protocol/to-slave.ts';
import type { Connection } from '../../src/protocol/transport.ts';
import { makeAgent } from '../../src/slave/agent.ts';
import type { Agent } from '../../src/slave/agent.ts';
import { commandOf } from '../../src/slave/command.ts';
import { sinkOf } from '../../src/slave/http.ts';
import type { MasterHttp } from '../../src/slave/http.ts';
import { untilReached } from '../../src/slave/patience.ts';
import type { Artifact, ProcessSpec } from '../../src/slave/ports.ts';
import { inOnePiece } from './blobs.ts';
import type { Draw } from './draw.ts';
import { makeProcessTable } from './exec.ts';
import type { ProcessTable, SimProcess } from './exec.ts';
import { makeJournal, workspaceAt } from './journal.ts';
import type { Journal } from './journal.ts';
import type { Kernel, Life } from './kernel.ts';
import { makeMachine } from './machine.ts';
import type { Machine } from './machine.ts';
import type { Net } from './net.ts';
import { makeSimOutputs } from './outputs.ts';
import type { SlavePlan } from './scenario.ts';
import type { Behaviour } from './tasks.ts';
import { wire } from './wire.ts';

export interface SimSlavePorts {
  /** Whether something rare is to happen there now; absent: nothing ever. */
  buggify?: ((site: BuggifySite) => boolean) | undefined;
  kernel: Kernel;
  net: Net;
  draw: Draw;
  log: Log;
  plan: SlavePlan;
  behaviourOf: (spec: ProcessSpec) => Behaviour;
  /** Of the master that answers now. */
  service: () => MasterService;
  onSends: (message: ToMaster) => void;
  onHears: (message: ToSlave) => void;
  onSpawn: (process: SimProcess) => void;
  onExit: (process: SimProcess) => void;
  /** Its process has ended by itself: it left, or broke. */
  onOver: (why: string) => void;
}

export interface SimSlave {
  readonly plan: SlavePlan;
  readonly machine: Machine;
  readonly processes: ProcessTable;
  readonly journal: Journal;
  /** undefined: no process of it runs. */
  readonly agent: Agent | undefined;
  readonly life: Life | undefined;
  /** It will never come back. */
  isGone: boolean;
  /** Its frames and those to it may come twice. */
  echoes: boolean;
  /** Of the release that it runs, where that is not ours. */
  protocol: Hello['protocol'] | undefined;
  /** When its present process began, and since when none has run. */
  readonly upSince: number;
  start: () => void;
  kill: () => void;
  /** The machine stops: what was not on disk is lost, and every process with it. */
  losePower: (draw: Draw) => void;
  /** A clean disk, as of a new machine of that name. */
  wipe: () => void;
  /** Nothing is left of what ran here: the disk is another machine's. */
  wipeProcesses: () => void;
}

export function makeSimSlave(ports: SimSlavePorts): SimSlave {
  const { kernel, net, plan, draw } = ports;
  const { name } = plan;
  const machine = makeMachine(kernel, plan, ports.buggify);
  const journal = makeJournal(kernel, draw.fork('journal'));
  const echo = draw.fork('echo');
  let agent: Agent | undefined;
  let life: Life | undefined;
  let starts = 0;
  let upSince = 0;
  let processes = makeTable();

  function makeTable(): ProcessTable {
    return makeProcessTable({
      kernel,
      draw: draw.fork(`processes:${starts}`),
      rate: plan.rate,
      behaviourOf: ports.behaviourOf,
      onSpawn: (_spec, process) => ports.onSpawn(process),
      onExit: ports.onExit,
    });
  }

  function start(): void {
    if (life?.alive || slave.isGone) return;
    starts++;
    upSince = kernel.now;
    const mine = kernel.makeLife(`${name}/${starts}`);
    life = mine;
    agent = openAgent(mine, draw.fork(`process:${starts}`));
    agent.start().catch((error: unknown) => {
      if (!mine.alive) return;
      if (!isYardError(error)) throw error;
      end(false);
      ports.onOver(error.message);
    });
    agent.done.then(
      () => {
        if (!mine.alive) return;
        end(false);
        ports.onOver('left');
      },
      () => {},
    );
  }

  function openAgent(mine: Life, chance: Draw): Agent {
    const clock = machine.clockOf(mine);
    const { log } = ports;
    const { random } = chance;
    const http = makeHttp(mine);
    const opened: Agent = makeAgent({
      executor: processes.executorOf(mine),
      workspaces: journal.workspacesOf(
        mine,
        (bundle, signal) => fetchBundle(bundle, mine, signal),
        leftBy,
      ),
      outputs: makeSimOutputs({
        clock,
        log,
        sink: sinkOf(http, (key) => opened.attempts.get(key)?.assignment),
        find: (key) => processes.all.get(key),
        ageMs: ({ startedAt }) => (kernel.now - startedAt) / 1000,
      }),
      spool: journal.spoolOf(mine),
      clock,
      log,
      random,
      connect: async () => {
        const socket = await net.connect(name, mine, 'master');
        const counters = new Map<string, number>();
        const options = { reader: 'slave' as const, schema: toSlave, clock, log, counters };
        return tapped(wire<ToMaster, ToSlave>(socket, options), mine);
      },
      isolations: plan.isolations ?? ['none'],
      workspaceAt,
      putArtifact: http.putArtifact,
      commandOf: (assignment, workspace) =>
        commandOf(assignment, workspace, {
          slave: name,
          arch: plan.arch,
          master: 'http://master',
          runtask: ['runtask'],
          base: {},
        }),
      facts: {
        name,
        incarnation: makeIds(random).random(12),
        arch: plan.arch,
        labels: plan.labels,
        slots: plan.slots,
        resources: plan.resources,
        host: name,
      },
    });
    return opened;
  }

  /** As the real collector has it: a task that left too much has none of it kept. */
  async function leftBy(key: string): Promise<Artifact[]> {
    const { litters, artifacts = [] } = processes.all.get(key)?.behaviour ?? {};
    if (litters) throw new YardError('artifact.limit', 'more files than may be kept');
    return artifacts.map(({ name, bytes }) => {
      return { name, bytes: bytes.length, sha256: sha256Of(bytes), path: `${key}/${name}` };
    });
  }

  function tapped(
    connection: Connection<ToMaster, ToSlave>,
    mine: Life,
  ): Connection<ToMaster, ToSlave> {
    return {
      ...connection,
      send(messages) {
        // A connection may be made for a process that has died meanwhile.
        if (!mine.alive) return;
        const said = messages.map(aged);
        for (const message of said) ports.onSends(message);
        connection.send(said);
        if (slave.echoes && echo.chance(0.2)) connection.send(said);
      },
      onMessages(handler) {
        connection.onMessages((messages) => {
          for (const message of messages) ports.onHears(message);
          handler(messages);
        });
      },
    };
  }

  /** An older release says less of itself. */
  function aged(message: ToMaster): ToMaster {
    const { protocol } = slave;
    return protocol && message.type === 'hello' ? { ...message, protocol } : message;
  }

  /** As the real cache has it: a master that is away is waited for. Git servers are always there. */
  async function fetchBundle(id: string, mine: Life, signal: AbortSignal): Promise<void> {
    const clock = machine.clockOf(mine);
    const ask = () => net.request(name, mine, 'master', () => ports.service().openBundle(id));
    if (!id.startsWith('git+')) await untilReached(clock, ask, signal);
    await sleep(clock, 50, signal);
  }

  /** The bulk side of the wire, as calls to the master's service over the simulated network. */
  function makeHttp(mine: Life): MasterHttp {
    const by: Principal = { name, kind: 'slave', scopes: [] };
    const ask = <T>(serve: (service: MasterService) => Promise<T>) =>
      net.request(name, mine, 'master', async () => serve(ports.service()));
    return {
      async append({ runId, attempt, token }: Assignment, stream, offset, bytes) {
        const at = { runId, attempt, token, stream: stream as 'stdout', offset };
        await ask((service) => service.appendOutput(at, bytes, by));
      },
      async putArtifact({ runId, attempt, token }, { name: path, sha256 }, signal) {
        const { artifacts } = processes.all.get(`${runId}.${attempt}`)!.behaviour;
        const { bytes } = artifacts.find((artifact) => artifact.name === path)!;
        const at = { runId, attempt, token, name: path, sha256 };
        const sent = ask((service) => service.putArtifact(at, inOnePiece(bytes), by));
        await orAborted(sent, signal);
      },
      open: async () => {
        throw new Error('bundles are not fetched in the simulator');
      },
      enrol: async () => {
        throw new Error('slaves are not enrolled in the simulator');
      },
    };
  }

  function end(power: boolean): void {
    if (!life?.alive) return;
    kernel.kill(life);
    net.endLife(life, power);
    for (const process of processes.all.values()) process.attached = undefined;
    agent = undefined;
  }

  const slave: SimSlave = {
    plan,
    machine,
    journal,
    get processes() {
      return processes;
    },
    get agent() {
      return agent;
    },
    get life() {
      return life;
    },
    get upSince() {
      return upSince;
    },
    isGone: false,
    echoes: false,
    protocol: plan.protocolMax === undefined ? undefined : { min: '1.0', max: plan.protocolMax },
    start,
    kill: () => end(false),
    losePower(chance) {
      end(true);
      const cut = journal.losePower(chance);
      const before = processes;
      before.losePower();
      processes = makeTable();
      // Exits and outputs that were on disk by then are still read; files come in no order.
      for (const [key, process] of before.all) {
        const isKept = process.end && process.endedAt <= cut && !chance.chance(0.1);
        if (isKept && journal.directories.has(key)) {
          processes.all.set(key, { ...process, children: 0, attached: undefined });
        }
      }
    },
    wipe() {
      journal.wipe();
      slave.wipeProcesses();
    },
    wipeProcesses() {
      processes.losePower();
      processes = makeTable();
    },
  };
  return slave;
}

/** Rejects with the signal's reason if that comes first, whatever becomes of the request. */
function orAborted<T>(sent: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    sent.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
