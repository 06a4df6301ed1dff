import type { Clients } from './clients.ts';
import { clientName } from './clients.ts';
import type { Disk } from './disk.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel, Life } from './kernel.ts';
import type { SimMaster } from './master.ts';
import type { Net } from './net.ts';
import type { Fault, FaultKind, Scenario } from './scenario.ts';
import type { SimSlave } from './slave.ts';
import { comeAsStranger } from './strangers.ts';
import type { StrangerPorts } from './strangers.ts';

/** What faults may reach into. */
export interface Reach {
  kernel: Kernel;
  net: Net;
  draw: Draw;
  scenario: Scenario;
  master: SimMaster;
  disk: Disk;
  slaves: ReadonlyMap<string, SimSlave>;
  clients: Clients;
  /** Those that must not be gone for ever: without them some run could never end. */
  isCore: (slave: string) => boolean;
  /** Lays a damaged copy of the master's disk before the checks of its store. */
  damage: (draw: Draw) => void;
  /** Attempts of which somebody may say something. */
  claims: StrangerPorts['claims'];
  /** Does it then, unless all is well by then. */
  later: (ms: number, act: () => void) => void;
  restartMaster: () => void;
  restartSlave: (slave: SimSlave) => void;
  /** Starts another machine under the name of that slave, for so long. */
  startTwin: (slave: string, forMs: number) => void;
}

/** After so long without an answer to a ping, peers of a process that stands still give it up. */
const PING_US = 25e6;
const HOUR_MS = 3_600_000;

const FOREIGN_EPOCH = 1_000_000;

type Strike = (reach: Reach, fault: Fault, draw: Draw, slave: SimSlave) => void;

const STRIKES: Record<FaultKind, Strike> = {
  'master.kill': ({ master, restartMaster }) => {
    master.kill(false);
    restartMaster();
  },
  'master.power': ({ master, restartMaster }) => {
    master.kill(true);
    restartMaster();
  },
  'master.stop': ({ master }) => master.stop(),
  'master.pause': (reach, { forMs }) => pause(reach, reach.master.life, forMs),
  'master.slow': (reach, fault) => slowDown(reach, reach.master.life, fault),
  'master.clock': ({ master }, { size }) => master.machine.jump((size - 0.5) * 2 * HOUR_MS),
  'master.disk.fail': ({ disk }) => disk.failNext(),
  'master.disk.full': ({ kernel, disk }, { forMs }) => {
    disk.setFull(true);
    kernel.after(forMs * 1000, KIND.fault, () => disk.setFull(false));
  },
  'master.disk.damage': ({ damage }, _fault, draw) => damage(draw),
  'master.loop': (reach, fault, draw) => loop(reach, fault, draw, STRIKES['master.kill']),
  'slave.loop': (reach, fault, draw, slave) =>
    loop(reach, fault, draw, STRIKES['slave.kill'], slave),
  'slave.disk.fail': (_reach, _fault, _draw, { journal }) => journal.failNext(),
  'slave.disk.swap': ({ slaves, restartSlave }, _fault, draw, slave) => {
    const other = draw.pick([...slaves.values()]);
    if (other === slave || other.isGone || slave.isGone) return;
    for (const each of [slave, other]) each.losePower(draw);
    slave.journal.swap(other.journal);
    for (const each of [slave, other]) {
      each.wipeProcesses();
      restartSlave(each);
    }
  },
  // As if it were of a release that this master does not know any more, or not yet.
  'slave.skew': ({ later, restartSlave }, { forMs, size }, _draw, slave) => {
    slave.protocol = size < 0.5 ? { min: '2.0', max: '2.3' } : { min: '1.0', max: '1.0' };
    slave.kill();
    restartSlave(slave);
    later(forMs, () => {
      slave.protocol = undefined;
      slave.kill();
      restartSlave(slave);
    });
  },
  'slave.kill': ({ restartSlave }, _fault, _draw, slave) => {
    slave.kill();
    restartSlave(slave);
  },
  'slave.power': ({ restartSlave }, _fault, draw, slave) => {
    slave.losePower(draw);
    restartSlave(slave);
  },
  'slave.pause': (reach, { forMs }, _draw, slave) => pause(reach, slave.life, forMs),
  'slave.slow': (reach, fault, _draw, slave) => slowDown(reach, slave.life, fault),
  'slave.clock': (_reach, { size }, _draw, slave) => slave.machine.jump((size - 0.5) * 2 * HOUR_MS),
  'slave.leave': (_reach, { forMs }, _draw, { agent }) => {
    agent?.leave('the machine is needed elsewhere', forMs).catch(() => {});
  },
  'slave.gone': ({ isCore }, _fault, draw, slave) => {
    if (isCore(slave.plan.name)) return;
    slave.isGone = true;
    slave.losePower(draw);
  },
  'slave.wipe': ({ restartSlave }, _fault, draw, slave) => {
    slave.losePower(draw);
    slave.wipe();
    restartSlave(slave);
  },
  'slave.disk.full': ({ kernel }, { forMs }, _draw, { journal }) => {
    journal.setFull(true);
    kernel.after(forMs * 1000, KIND.fault, () => journal.setFull(false));
  },
  'slave.twin': ({ startTwin, restartSlave }, { forMs }, draw, slave) => {
    // It is given a name that seemed to be free: tasks of the one that had it may live.
    if (draw.chance(0.5)) {
      slave.kill();
      restartSlave(slave);
    }
    startTwin(slave.plan.name, forMs);
  },
  'net.cut': ({ net }, _fault, draw, { plan }) => net.cut(plan.name, 'master', draw),
  'net.block': (reach, { forMs }, _draw, { plan: { name } }) => {
    block(reach, name, 'master', forMs);
    block(reach, 'master', name, forMs);
  },
  'net.blockIn': (reach, { forMs }, _draw, { plan }) => block(reach, 'master', plan.name, forMs),
  'net.blockOut': (reach, { forMs }, _draw, { plan }) => block(reach, plan.name, 'master', forMs),
  'net.slow': ({ kernel, net }, { forMs, size }, _draw, { plan }) => {
    net.slow(plan.name, 'master', 2_000 + size * 50_000);
    kernel.after(forMs * 1000, KIND.fault, () => net.slow(plan.name, 'master', Infinity));
  },
  // One after the other goes, and they come back in another order.
  'net.swizzle': (reach, { forMs }, draw) => {
    for (const name of reach.slaves.keys()) {
      if (draw.chance(0.4)) continue;
      reach.later(draw.float() * forMs * 0.5, () => {
        const ms = forMs * draw.between(0.2, 1);
        block(reach, name, 'master', ms);
        block(reach, 'master', name, ms);
      });
    }
  },
  // It is up for moments only: what one connection began ends on another.
  'net.flap': ({ later, net }, { forMs }, draw, { plan }) => {
    const times = draw.int(3, 12);
    for (let i = 0; i < times; i++) {
      later((forMs * (i + draw.float())) / times, () => net.cut(plan.name, 'master', draw));
    }
  },
  'client.block': (reach, { forMs, size }) => {
    const name = clientName(Math.floor(size * reach.scenario.clients));
    block(reach, name, 'master', forMs);
    block(reach, 'master', name, forMs);
  },
  storm: ({ net, slaves }, _fault, draw) => {
    for (const name of slaves.keys()) net.cut(name, 'master', draw);
  },
  'master.deposed': ({ master }) => master.depose(),
  // It comes from a cluster whose master was started far more often; nothing here may move it.
  'slave.foreign': ({ later, restartSlave }, { forMs }, draw, slave) => {
    if (slave.isGone) return;
    // Or the master here is an elder one, restored: then it has work that must go on.
    if (draw.chance(0.5)) slave.kill();
    else {
      slave.losePower(draw);
      slave.wipe();
    }
    slave.journal.noteEpoch(FOREIGN_EPOCH);
    restartSlave(slave);
    later(forMs, () => comeHome(slave, draw, restartSlave));
  },
  'net.echo': ({ kernel, slaves }, { forMs }, _draw, { plan: { name } }) => {
    slaves.get(name)!.echoes = true;
    kernel.after(forMs * 1000, KIND.fault, () => void (slaves.get(name)!.echoes = false));
  },
  stranger: ({ kernel, net, slaves, claims }, { forMs }, draw) => {
    // It may find nobody there.
    comeAsStranger({ kernel, net, draw, claims, slaves: [...slaves.keys()] }, forMs).catch(
      () => {},
    );
  },
};

/** Whoever runs it sees that it obeys nobody here, and begins it anew. */
export function comeHome(slave: SimSlave, draw: Draw, restart: Reach['restartSlave']): void {
  if (slave.isGone || slave.journal.epoch < FOREIGN_EPOCH) return;
  slave.losePower(draw);
  slave.wipe();
  restart(slave);
}

/** Lets a fault strike now; all it draws is its own. */
export function strike(reach: Reach, fault: Fault): void {
  const slave = reach.slaves.get(fault.slave);
  // It was left out when the scenario was shrunk.
  if (!slave) return;
  STRIKES[fault.kind](reach, fault, reach.draw.fork(`fault:${fault.id}`), slave);
}

/** Dies again and again, sometimes before it has begun. */
function loop(
  reach: Reach,
  fault: Fault,
  draw: Draw,
  kill: Strike,
  slave = reach.slaves.get(fault.slave)!,
): void {
  const times = 3 + Math.floor(fault.size * 5);
  for (let i = 0; i < times; i++) {
    const at = (fault.forMs * (i + draw.float()) * 1000) / times;
    reach.later(at / 1000, () => kill(reach, fault, draw, slave));
  }
}

function pause({ kernel, net }: Reach, life: Life | undefined, forMs: number): void {
  if (!life?.alive || life.paused) return;
  kernel.pause(life);
  if (forMs * 1000 > PING_US) {
    kernel.after(PING_US, KIND.fault, () => life.alive && life.paused && net.pingTimeout(life));
  }
  kernel.after(forMs * 1000, KIND.fault, () => life.alive && kernel.resume(life));
}

function slowDown({ kernel }: Reach, life: Life | undefined, { forMs, size }: Fault): void {
  if (!life) return;
  life.costUs = 50 + size * 2_000;
  kernel.after(forMs * 1000, KIND.fault, () => void (life.costUs = 0));
}

function block({ kernel, net }: Reach, from: string, to: string, forMs: number): void {
  net.block(from, to);
  kernel.after(forMs * 1000, KIND.fault, () => net.unblock(from, to));
}
