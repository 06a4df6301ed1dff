/** A master and slaves as children of one program: started in order, ended in order. */
import { join } from 'node:path';
import { startChild } from './children.ts';
import type { Child, ChildEnd, ChildOptions } from './children.ts';
import type { CliHost, StopSignal } from './host.ts';

export interface Family {
  url: string;
  /** Resolves when one of them ends that nobody asked to. */
  ended: Promise<ChildEnd>;
  /** Slaves first, so that what they finish is heard. */
  leave: (signal: StopSignal) => Promise<void>;
  /** Slaves leave what runs. */
  force: () => Promise<void>;
}

export interface FamilyOptions {
  /** Flags of the master; its state is in `state`. */
  master: readonly string[];
  state: string;
  /** Flags of each slave beyond the master, its name and its directory. */
  slaves: readonly { name: string; args: readonly string[] }[];
  /** Whether the master asks its slaves for a token. */
  needsToken: boolean;
  onLine: ChildOptions['onLine'];
}

/** Resolves once all have said that they are there; with the end of the first that did not. */
export async function startFamily(
  host: CliHost,
  { master: masterArgs, state, slaves: wanted, needsToken, onLine }: FamilyOptions,
): Promise<Family | ChildEnd> {
  const master = startChild(host, {
    label: 'master',
    args: ['master', ...masterArgs],
    onLine,
  });
  const url = /\bat (https?:\/\/[^\s,]+)/.exec((await master.said) ?? '')?.[1];
  if (url === undefined) return master.ended;

  const token = needsToken ? ['--token-file', join(state, 'admin.token')] : [];
  const slaves = wanted.map(({ name, args }) => {
    const work = join(state, 'work', name);
    const place = ['--master', reachable(url), '--name', name, '--work-dir', work];
    return startChild(host, { label: name, args: ['slave', ...place, ...token, ...args], onLine });
  });
  const family = { url: reachable(url), ...endings(master, slaves) };
  const said = await Promise.all(slaves.map((slave) => slave.said));
  if (said.every((line) => line !== undefined)) return family;
  await family.force();
  const ends = await Promise.all(slaves.map((slave) => slave.ended));
  return ends.find(({ status }) => status !== 0) ?? ends[0]!;
}

function endings(master: Child, slaves: readonly Child[]): Omit<Family, 'url'> {
  let isLeaving = false;
  async function stop(signals: readonly StopSignal[]): Promise<void> {
    isLeaving = true;
    for (const slave of slaves) for (const signal of signals) slave.stop(signal);
    await Promise.all(slaves.map((slave) => slave.ended));
    master.stop(signals[0]!);
    await master.ended;
  }
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    for (const child of [master, ...slaves]) {
      child.ended.then((end) => isLeaving || resolve(end), reject);
    }
  });
  return {
    ended,
    leave: (signal) => stop([signal]),
    // Two signals of one kind may arrive as one.
    force: () => stop(['SIGINT', 'SIGTERM']),
  };
}

/** A master that listens everywhere is reached on this machine. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0', '//127.0.0.1').replace('//[::]', '//[::1]');
}
