/** The master's machine and the processes of the master on it: the real one on simulated ports. */
import type { BuggifySite } from '../../src/base/buggify.ts';
import type { Log } from '../../src/base/log.ts';
import { isYardError } from '../../src/base/errors.ts';
import { openMaster } from '../../src/master/master.ts';
import { timesKey } from '../../src/master/times.ts';
import type { Master, MasterPorts } from '../../src/master/master.ts';
import { toMaster } from '../../src/protocol/to-master.ts';
import type { ToMaster } from '../../src/protocol/to-master.ts';
import type { StateStore } from '../../src/master/store/port.ts';
import type { ToSlave } from '../../src/protocol/to-slave.ts';
import type { Connection } from '../../src/protocol/transport.ts';
import { makeSimBlobs } from './blobs.ts';
import type { BlobDisk } from './blobs.ts';
import { makeSimStore } from './disk.ts';
import type { Disk } from './disk.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';
import { makeMachine } from './machine.ts';
import type { Machine } from './machine.ts';
import type { Net } from './net.ts';
import type { Session } from './oracles/oracle.ts';
import { wire } from './wire.ts';

export interface SimMasterPorts {
  /** Whether something rare is to happen there now; absent: nothing ever. */
  buggify?: ((site: BuggifySite) => boolean) | undefined;
  kernel: Kernel;
  net: Net;
  draw: Draw;
  log: Log;
  disk: Disk;
  blobs: BlobDisk;
  leaseMs: number;
  rate: number;
  wallOffsetMs: number;
  /** Whether what is said to that slave may come twice; absent: never. */
  echoes?: (slave: string) => boolean;
  /** Absent: it takes no messages. */
  rules?: MasterPorts['rules'];
  onSends: (session: Session, message: ToSlave) => void;
  onHears: (session: Session, message: ToMaster) => void;
  onCommit: (isEmpty: boolean, because: Session | undefined) => void;
  onAppend: (key: string, offset: number, bytes: Uint8Array, size: number) => void;
  onServes: () => void;
  onOver: (why: string) => void;
}

export interface SimMaster {
  readonly machine: Machine;
  /** undefined: nothing is served. */
  readonly master: Master | undefined;
  readonly life: Life | undefined;
  readonly upSince: number;
  /** When its present process began. */
  readonly startedAt: number;
  /** The latest connection of each slave that said hello. */
  readonly sessions: ReadonlyMap<string, Session>;
  start: () => void;
  /** Asks it to stop, as SIGTERM does; it then ends. */
  stop: () => void;
  kill: (power: boolean) => void;
  /** Another master takes its store over, and is gone again. */
  depose: () => void;
}

export function makeSimMaster(ports: SimMasterPorts): SimMaster {
  const { kernel, net, draw, log, disk, blobs } = ports;
  const machine = makeMachine(kernel, { name: 'master', ...ports }, ports.buggify);
  const sessions = new Map<string, Session>();
  const dying = draw.fork('dying');
  const echo = draw.fork('echo');
  let store: StateStore | undefined;
  let master: Master | undefined;
  let life: Life | undefined;
  let starts = 0;
  let accepted = 0;
  let upSince = 0;
  let startedAt = 0;
  /** Whose frame is being handled, while it is. */
  let because: Session | undefined;

  function start(): void {
    if (life?.alive) return;
    starts++;
    startedAt = kernel.now;
    const mine = kernel.makeLife(`master/${starts}`);
    life = mine;
    const clock = machine.clockOf(mine);
    const chance = draw.fork(`process:${starts}`);
    store = makeSimStore({
      disk,
      kernel,
      life: mine,
      clock,
      onCommit: (isEmpty) => mine.alive && ports.onCommit(isEmpty, because),
    });
    const opening = openMaster({
      store,
      blobs: makeSimBlobs({ blobs, disk, kernel, life: mine, onAppend: noteAppend }),
      clock,
      random: chance.random,
      log,
      openAccess: true,
      allowGitFile: false,
      leaseMs: ports.leaseMs,
      baseUrl: () => 'http://master',
      rules: ports.rules,
    });
    opening.then(
      (opened) => mine.alive && serve(opened, mine),
      (error: unknown) => {
        if (!mine.alive) return;
        if (!isYardError(error)) throw error;
        end(false);
        ports.onOver(error.message);
      },
    );
  }

  /** Of what tasks wrote: when it came is the master's own. */
  function noteAppend(...[key, ...rest]: Parameters<typeof ports.onAppend>): void {
    if (!key.endsWith(timesKey(''))) ports.onAppend(key, ...rest);
  }

  function serve(opened: Master, mine: Life): void {
    master = opened;
    upSince = kernel.now;
    ports.onServes();
    opened.yard.fatal.catch((error: unknown) => {
      // As a process does, it goes a moment later.
      kernel.after(dying.between(0, 20_000), KIND.world, () => {
        if (!mine.alive) return;
        end(false);
        ports.onOver(`fatal: ${String(error)}`);
      });
    });
    const clock = machine.clockOf(mine);
    net.listen('master', mine, (socket) => {
      const counters = new Map<string, number>();
      const options = { reader: 'master' as const, schema: toMaster, clock, log, counters };
      opened.hub.accept(tapped(wire<ToSlave, ToMaster>(socket, options)), { name: socket.remote });
    });
    opened.begin();
  }

  function tapped(connection: Connection<ToSlave, ToMaster>): Connection<ToSlave, ToMaster> {
    const session: Session = {
      number: ++accepted,
      slave: undefined,
      incarnation: undefined,
      reports: [],
      protocolMax: '',
      welcomed: false,
      isOver: false,
    };
    let earlier: Session | undefined;

    function note(message: ToMaster): void {
      if (message.type !== 'hello' || session.slave !== undefined) return;
      const { name, incarnation, reports, protocol } = message;
      Object.assign(session, { slave: name, incarnation, reports, protocolMax: protocol.max });
      earlier = sessions.get(name);
      sessions.set(name, session);
    }

    /** Refused, as when another process of that name is connected: then that one stays current. */
    function noteRefused(): void {
      if (session.slave === undefined || sessions.get(session.slave) !== session) return;
      if (earlier) sessions.set(session.slave, earlier);
      else sessions.delete(session.slave);
    }

    return {
      ...connection,
      send(messages) {
        for (const message of messages) {
          if (message.type === 'welcome') session.welcomed = true;
          if (message.type === 'refuse') noteRefused();
          ports.onSends(session, message);
        }
        connection.send(messages);
        const isTwice = session.slave !== undefined && ports.echoes?.(session.slave);
        if (isTwice && echo.chance(0.2)) connection.send(messages);
      },
      onMessages(handler) {
        connection.onMessages((messages) => {
          // One that says more with its hello is turned away, and speaks for nobody.
          if (messages.length === 1) note(messages[0]!);
          for (const message of messages) ports.onHears(session, message);
          because = session;
          try {
            return handler(messages);
          } finally {
            because = undefined;
          }
        });
      },
      onClose(handler) {
        connection.onClose((reason) => {
          session.isOver = true;
          handler(reason);
        });
      },
      close(reason) {
        session.isOver = true;
        connection.close(reason);
      },
    };
  }

  function end(power: boolean): void {
    if (!life?.alive) return;
    kernel.kill(life);
    master = undefined;
    sessions.clear();
    net.endLife(life, power);
    disk.settle();
    if (power) blobs.losePower(draw);
  }

  return {
    machine,
    sessions,
    get master() {
      return master;
    },
    get life() {
      return life;
    },
    get upSince() {
      return upSince;
    },
    get startedAt() {
      return startedAt;
    },
    start,
    stop() {
      const mine = life;
      const stopping = master?.stop() ?? Promise.resolve();
      const over = () => {
        if (!mine?.alive) return;
        end(false);
        ports.onOver('stopped');
      };
      stopping.then(over, over);
    },
    kill: end,
    depose: () => void store?.leases.acquire('yard', 'another master', 0).catch(() => {}),
  };
}
