/** Peers that are no slave of ours: what they say is out of turn, forged, or no message at all. */
import { silentLog } from '../../src/base/log.ts';
import { ARCHES } from '../../src/protocol/run.ts';
import type { Hello, ToMaster } from '../../src/protocol/to-master.ts';
import { toSlave } from '../../src/protocol/to-slave.ts';
import type { ToSlave } from '../../src/protocol/to-slave.ts';
import { PROTOCOL, PROTOCOL_MIN, VERSION } from '../../src/protocol/version.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Kernel } from './kernel.ts';
import { makeMachine } from './machine.ts';
import type { Net } from './net.ts';
import { wire } from './wire.ts';

export interface StrangerPorts {
  kernel: Kernel;
  net: Net;
  draw: Draw;
  /** Slaves of ours, in whose name it may speak. */
  slaves: readonly string[];
  /** Attempts of which it says something. */
  claims: () => readonly { runId: string; attempt: number }[];
}

/** Its host, and so the name that its credential is for. */
export const STRANGER = 'stranger';

type Says = (ports: StrangerPorts) => ToMaster[][];

const SAYS: readonly Says[] = [
  () => [[{ type: 'heartbeat', beat: 1 }]],
  () => [[hello({}), { type: 'heartbeat', beat: 1 }]],
  () => [[hello({})], [hello({})]],
  ({ draw }) => [[hello({ arch: draw.pick(['x86-64', 'vax']) })]],
  ({ draw, slaves }) => [[hello({ name: draw.pick(slaves) })]],
  (ports) => [[hello({})], [{ type: 'drained', leaving: true }, ...lies(ports)]],
];

/** Comes, says one thing that it may not, and is gone after so long. */
export async function comeAsStranger(ports: StrangerPorts, forMs: number): Promise<void> {
  const { kernel, net, draw } = ports;
  const life = kernel.makeLife(STRANGER);
  const clock = makeMachine(kernel, { name: STRANGER, rate: 1, wallOffsetMs: 0 }).clockOf(life);
  kernel.after(forMs * 1000, KIND.fault, () => {
    kernel.kill(life);
    net.endLife(life, draw.chance(0.5));
  });
  const socket = await net.connect(STRANGER, life, 'master');
  if (draw.chance(0.15)) return socket.write(noise(draw));
  const options = { reader: 'slave' as const, schema: toSlave, clock, log: silentLog };
  const connection = wire<ToMaster, ToSlave>(socket, { ...options, counters: new Map() });
  const [first, ...rest] = draw.pick(SAYS)(ports);
  connection.onMessages((messages) => {
    for (const message of messages) {
      if (message.type === 'welcome') for (const more of rest) connection.send(more);
      if (message.type !== 'assign') continue;
      const { runId, attempt, token } = message;
      connection.send([{ type: 'reject', runId, attempt, token, reason: 'leaving' }]);
    }
  });
  connection.send(first!);
}

function hello(facts: Partial<Hello>): Hello {
  return {
    type: 'hello',
    name: STRANGER,
    incarnation: 'unknown00000',
    arch: ARCHES.at(-1)!,
    labels: {},
    slots: 1,
    resources: {},
    isolations: ['none'],
    host: STRANGER,
    protocol: { min: PROTOCOL_MIN, max: PROTOCOL },
    version: VERSION,
    draining: true,
    held: [],
    reports: [],
    masterEpoch: 0,
    ...facts,
  };
}

/** Of attempts that others have, with tokens that it has made up. */
function lies({ claims, draw }: StrangerPorts): ToMaster[] {
  return claims().flatMap(({ runId, attempt }): ToMaster[] => {
    const claim = { runId, attempt, token: 'forged0000000000' };
    const ending = { kind: 'exited', code: 0 } as const;
    return draw.pick([
      [{ type: 'accept', ...claim }],
      [{ type: 'reject', ...claim, reason: 'no' }],
      [{ type: 'progress', ...claim, phase: 'executing' }],
      [{ type: 'finished', ...claim, ending, artifacts: [], notes: [] }],
    ] satisfies ToMaster[][]);
  });
}

function noise(draw: Draw): Uint8Array {
  return Uint8Array.from({ length: draw.int(1, 200) }, () => draw.int(0, 255));
}
