/** Where the slaves of a chaos run live: on loopback, or each behind a wire of its own. */
import { execFileSync, spawnSync } from 'node:child_process';

export interface Wire {
  /** Words before a command that make it run behind this wire. */
  readonly prefix: readonly string[];
  /** The master's address, as seen from there. */
  readonly masterHost: string;
  /** Both directions at once, as a pulled cable. */
  cut: () => void;
  /** One direction only: what one side sends is swallowed. */
  swallow: (from: 'slave' | 'master') => void;
  heal: () => void;
}

export interface Network {
  /** Whether wires can be cut. */
  readonly hasWires: boolean;
  /** Where the master must listen to be seen by all. */
  readonly listenHost: string;
  wire: (index: number) => Wire;
  remove: () => void;
}

/** Slaves on the master's own loopback: nothing between them can fail. */
export function loopbackNetwork(): Network {
  const nothing = () => {};
  return {
    hasWires: false,
    listenHost: '127.0.0.1',
    wire: () => ({
      prefix: [],
      masterHost: '127.0.0.1',
      cut: nothing,
      swallow: nothing,
      heal: nothing,
    }),
    remove: nothing,
  };
}

/** Whether this process may make network namespaces. */
export function canMakeNamespaces(): boolean {
  const name = `ryprobe${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return false;
  const ends = [
    'link',
    'add',
    name.slice(0, 15),
    'type',
    'veth',
    'peer',
    'name',
    'e0',
    'netns',
    name,
  ];
  const isLinked = spawnSync('ip', ends).status === 0;
  spawnSync('ip', ['netns', 'del', name]);
  return isLinked;
}

/** Each slave in a network namespace, a pair of virtual devices between it and the master. */
export function namespaceNetwork(): Network {
  const made: { namespace: string; device: string }[] = [];
  // Two runs beside each other must not meet.
  const [high, low] = [(process.pid >> 6) & 127, (process.pid & 63) << 2];

  return {
    hasWires: true,
    listenHost: '0.0.0.0',
    wire(index) {
      const namespace = `ry${process.pid}s${index}`;
      const device = `ry${process.pid}v${index}`.slice(-15);
      const subnet = `10.${64 + index}.${high}`;
      const [ours, theirs] = [`${subnet}.${low + 1}`, `${subnet}.${low + 2}`];
      ip('netns', 'add', namespace);
      made.push({ namespace, device });
      ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'e0', 'netns', namespace);
      ip('addr', 'add', `${ours}/30`, 'dev', device);
      ip('link', 'set', device, 'up');
      ip('-n', namespace, 'addr', 'add', `${theirs}/30`, 'dev', 'e0');
      ip('-n', namespace, 'link', 'set', 'e0', 'up');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      const fromSlave = ['-n', namespace, 'route'];
      return {
        prefix: ['ip', 'netns', 'exec', namespace],
        masterHost: ours,
        cut: () => ip('link', 'set', device, 'down'),
        swallow(from) {
          if (from === 'slave') ip(...fromSlave, 'add', 'blackhole', `${ours}/32`);
          else ip('route', 'add', 'blackhole', `${theirs}/32`);
        },
        heal() {
          ip('link', 'set', device, 'up');
          spawnSync('ip', [...fromSlave, 'del', 'blackhole', `${ours}/32`]);
          spawnSync('ip', ['route', 'del', 'blackhole', `${theirs}/32`]);
        },
      };
    },
    remove() {
      for (const { namespace, device } of made.splice(0)) {
        spawnSync('ip', ['link', 'del', device]);
        spawnSync('ip', ['netns', 'del', namespace]);
      }
    },
  };
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
