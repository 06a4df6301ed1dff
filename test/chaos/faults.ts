/** What is done to a yard of real processes; each fault is over when its promise resolves. */
import { sleep, systemClock } from '../../src/base/clock.ts';
import type { Draw } from '../sim/draw.ts';
import type { Load } from './load.ts';
import type { ChaosSlave, World } from './world.ts';

export interface Stage {
  world: World;
  load: Load;
  draw: Draw;
  /** The longest that a program is stopped or a wire is cut, in milliseconds. */
  outageMsMax: number;
}

export interface Fault {
  name: string;
  weight: number;
  /** Faults of the master alone: no work may be lost by them (S18). */
  isMasterOnly: boolean;
  /** What it takes beyond processes. */
  needs?: 'wires' | 'disk';
  inject: (stage: Stage) => Promise<void>;
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'master.kill',
    weight: 4,
    isMasterOnly: true,
    async inject({ world, draw }) {
      await world.master.kill();
      if (draw.chance(0.3)) await pause(draw.between(0, 2000));
      await world.serve();
    },
  },
  {
    // While a group of commits is on its way to the disk, as near as chance comes to that.
    name: 'master.killWriting',
    weight: 3,
    isMasterOnly: true,
    async inject({ world, load, draw }) {
      load.burst(draw.int(10, 25));
      await pause(draw.between(0, 120));
      await world.master.kill();
      await world.serve();
    },
  },
  {
    // Killed again before it has found its feet.
    name: 'master.killStarting',
    weight: 1,
    isMasterOnly: true,
    async inject({ world, draw }) {
      await world.master.kill();
      for (let again = draw.int(1, 2); again > 0; again--) {
        world.master.start();
        await pause(draw.between(100, 900));
        await world.master.kill();
      }
      await world.serve();
    },
  },
  {
    name: 'master.stop',
    weight: 2,
    isMasterOnly: true,
    async inject({ world: { master }, draw, outageMsMax }) {
      await stopped([master], outage(draw, outageMsMax));
    },
  },
  {
    name: 'master.leave',
    weight: 1,
    isMasterOnly: true,
    async inject({ world }) {
      await world.master.leave(30_000);
      await world.serve();
    },
  },
  {
    name: 'master.diskFull',
    weight: 1,
    isMasterOnly: false,
    needs: 'disk',
    inject: ({ world, load, draw }) =>
      world.whileFull(async () => {
        world.disk!.fill();
        load.burst(5);
        await Promise.race([world.master.gone(), pause(draw.between(500, 3000))]);
        world.disk!.free();
        await world.serve();
      }),
  },
  {
    name: 'slave.kill',
    weight: 4,
    isMasterOnly: false,
    async inject({ world, draw }) {
      const { program } = pick(world, draw);
      await program.kill();
      if (draw.chance(0.5)) await pause(draw.between(0, 4000));
      program.start();
    },
  },
  {
    name: 'slave.stop',
    weight: 2,
    isMasterOnly: false,
    async inject({ world, draw, outageMsMax }) {
      await stopped([pick(world, draw).program], outage(draw, outageMsMax));
    },
  },
  {
    name: 'both.kill',
    weight: 2,
    isMasterOnly: false,
    async inject({ world, draw }) {
      const { program } = pick(world, draw);
      await Promise.all([program.kill(), world.master.kill()]);
      program.start();
      await world.serve();
    },
  },
  {
    name: 'net.cut',
    weight: 3,
    isMasterOnly: false,
    needs: 'wires',
    async inject({ world, draw, outageMsMax }) {
      const { wire } = pick(world, draw);
      wire.cut();
      await pause(outage(draw, outageMsMax));
      wire.heal();
    },
  },
  {
    name: 'net.swallow',
    weight: 3,
    isMasterOnly: false,
    needs: 'wires',
    async inject({ world, draw, outageMsMax }) {
      const { wire } = pick(world, draw);
      wire.swallow(draw.pick(['slave', 'master'] as const));
      await pause(outage(draw, outageMsMax));
      wire.heal();
    },
  },
  {
    name: 'net.cutAndKill',
    weight: 1,
    isMasterOnly: false,
    needs: 'wires',
    async inject({ world, draw, outageMsMax }) {
      const { wire } = pick(world, draw);
      wire.cut();
      await world.master.kill();
      await world.serve();
      await pause(outage(draw, outageMsMax));
      wire.heal();
    },
  },
];

/** What can be done where the world has no wires, or no disk of its own, is left out. */
export function possibleFaults(world: World, names: readonly string[] | undefined): Fault[] {
  return FAULTS.filter(({ name, needs }) => {
    if (needs === 'wires' && !world.hasWires) return false;
    if (needs === 'disk' && !world.disk) return false;
    return names === undefined || names.includes(name);
  });
}

export function drawFault(faults: readonly Fault[], draw: Draw): Fault {
  let at = draw.float() * faults.reduce((sum, { weight }) => sum + weight, 0);
  return faults.find(({ weight }) => (at -= weight) < 0) ?? faults[0]!;
}

function pick({ slaves }: World, draw: Draw): ChaosSlave {
  return draw.pick(slaves);
}

/** Mostly short, now and then as long as it may be. */
function outage(draw: Draw, msMax: number): number {
  return Math.min(msMax, draw.chance(0.15) ? msMax : 500 + draw.exponential(msMax / 6));
}

async function stopped(
  programs: readonly { pause: () => void; resume: () => void }[],
  ms: number,
): Promise<void> {
  for (const program of programs) program.pause();
  await pause(ms);
  for (const program of programs) program.resume();
}

function pause(ms: number): Promise<void> {
  return sleep(systemClock, ms);
}
