import type { ToMaster } from '../../src/protocol/to-master.ts';
import type { Assignment, ToSlave } from '../../src/protocol/to-slave.ts';
import type { Connection } from '../../src/protocol/transport.ts';
import { makeAgent } from '../../src/slave/agent.ts';
import { pairConnections } from './pair.ts';
import { assignmentOf, scriptedMachine, workspaceOf } from './slave-ports.ts';

/** Lets everything run that waits for nothing but promises and the end of a turn. */
export const settled = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** An agent on a scripted machine, and the master's ends of the links that it opened. */
export function openAgent(
  given: { slots?: number; machine?: ReturnType<typeof scriptedMachine> } = {},
) {
  const machine = given.machine ?? scriptedMachine();
  const { clock } = machine;
  const links: { master: Connection<ToSlave, ToMaster>; heard: ToMaster[]; closed?: string }[] = [];
  const tries: number[] = [];
  const world = { reachable: true, gate: undefined as Promise<void> | undefined };
  const agent = makeAgent({
    ...machine.ports,
    random: { float: () => 0.5, bytes: (n) => new Uint8Array(n), fork: () => ({}) as never },
    async connect() {
      tries.push(clock.now());
      if (world.gate) await world.gate;
      if (!world.reachable) throw new Error('net.unreachable');
      const [ours, master] = pairConnections<ToMaster, ToSlave>(clock, `l${links.length}`);
      const link: (typeof links)[number] = { master, heard: [] };
      master.onMessages((messages) => void link.heard.push(...messages));
      master.onClose((why) => void (link.closed = why));
      links.push(link);
      return ours;
    },
    facts: {
      name: 's1',
      incarnation: 'i1',
      arch: 'x86_64',
      labels: {},
      slots: given.slots ?? 2,
      resources: {},
      host: 'test',
    },
    isolations: ['none'],
    workspaceAt: workspaceOf,
  });
  const last = () => links.at(-1)!;
  return {
    ...machine,
    machine,
    agent,
    links,
    tries,
    world,
    last,
    async start() {
      await agent.start();
      await settled();
    },
    async say(...messages: ToSlave[]) {
      last().master.send(messages);
      await settled();
    },
    async welcome(own: Partial<Extract<ToSlave, { type: 'welcome' }>> = {}) {
      await this.say({ ...WELCOME, ...own });
    },
    async assign(own: Partial<Assignment> = {}) {
      await this.say({ type: 'assign', ...assignmentOf(own) });
    },
    heard: <T extends ToMaster['type']>(type: T) =>
      last().heard.filter((m): m is Extract<ToMaster, { type: T }> => m.type === type),
    types: () => last().heard.map(({ type }) => type),
    async pass(ms: number, stepMs = 500) {
      for (let rest = ms; rest > 0; rest -= stepMs) {
        clock.advance(Math.min(rest, stepMs));
        await settled();
      }
    },
  };
}

export const WELCOME: Extract<ToSlave, { type: 'welcome' }> = {
  type: 'welcome',
  masterEpoch: 1,
  masterVersion: '0.1.0',
  protocol: '1.0',
  leaseMs: 15_000,
  heartbeatMs: 5_000,
  draining: false,
  forget: [],
  stop: [],
  held: [],
};
