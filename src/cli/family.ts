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
  const all = [master, ...slaves];
  const ended = Promise.race(all.map((child) => child.ended));
  const family = { url: reachable(url), ended, ...endings(master, slaves) };
  const said = await Promise.all(slaves.map((slave) => slave.said));
  if (said.every((line) => line !== undefined)) return family;
  await family.force();
  return ended;
}

function endings(master: Child, slaves: readonly Child[]): Pick<Family, 'leave' | 'force'> {
  const everySlave = async () => {
    await Promise.all(slaves.map((slave) => slave.ended));
  };
  return {
    async leave(signal) {
      for (const slave of slaves) slave.stop(signal);
      await everySlave();
      master.stop(signal);
      await master.ended;
    },
    async force() {
      for (const slave of slaves) slave.stop('SIGTERM');
      await everySlave();
      master.stop('SIGTERM');
      await master.ended;
    },
  };
}

/** A master that listens everywhere is reached on this machine. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0', '//127.0.0.1').replace('//[::]', '//[::1]');
}
