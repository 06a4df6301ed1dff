import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { arch } from 'node:os';
import { probeCgroup } from './cgroup.ts';

/** The programs of this machine that lanes are made of, each found by trying it. */
export interface Machine {
  /** A POSIX shell that says on its stderr when a child was killed by a signal; dash does. */
  shell: string;
  /** env(1), for names that a shell cannot export. */
  env: string;
  /**
   * What to put before the shell so that every orphan of a lane becomes the lane's own child, and
   * whether anything was left behind is one read. Empty where it cannot be done.
   */
  subreaper: readonly string[];
  /** bubblewrap, if it can make a pid namespace here. */
  bwrap: string | undefined;
  /** The directory in which control groups can be made, if they can be killed whole. */
  cgroup: string | undefined;
}

/** A lane starts with an empty environment, so nothing is looked up in a PATH. */
const DIRECTORIES = ['/usr/bin', '/bin', '/usr/local/bin'];

/** prctl(2), by the machine names of Node. */
const PRCTL: Record<string, number> = {
  arm: 172,
  arm64: 167,
  ia32: 172,
  loong64: 167,
  ppc64: 171,
  riscv64: 167,
  s390x: 172,
  x64: 157,
};

/** bwrap dies with its lane, not with the slave: a restart of the slave leaves the task alone. */
export const BWRAP_FLAGS =
  '--bind / / --dev-bind /dev /dev --proc /proc --unshare-pid --die-with-parent'.split(' ');

/** Leaves a child behind and looks whether it became the shell's own. */
const ORPHAN_PROBE = `(sleep 1 >/dev/null 2>&1 &)
read c </proc/$$/task/$$/children && exit 9
for p in $c; do kill "$p" && exit 0; done
exit 1`;

export async function probeMachine(): Promise<Machine> {
  const shell = find('dash') ?? '/bin/sh';
  const probes = [probeSubreaper(shell), probeBwrap(), probeCgroup(shell)] as const;
  const [subreaper, bwrap, cgroup] = await Promise.all(probes);
  return { shell, env: find('env') ?? '/usr/bin/env', subreaper, bwrap, cgroup };
}

async function probeSubreaper(shell: string): Promise<readonly string[]> {
  const perl = find('perl');
  const prctl = PRCTL[arch()];
  if (!perl || prctl === undefined) return [];
  // PR_SET_CHILD_SUBREAPER is 36; it survives the exec.
  const script = `syscall(${prctl}, 36, 1, 0, 0, 0) == 0 or exit 1; exec {$ARGV[0]} @ARGV; exit 1`;
  const prefix = [perl, '-e', script];
  return (await succeeds([...prefix, shell, '-c', ORPHAN_PROBE])) ? prefix : [];
}

async function probeBwrap(): Promise<string | undefined> {
  const bwrap = find('bwrap');
  if (bwrap && (await succeeds([bwrap, ...BWRAP_FLAGS, '--', '/bin/sh', '-c', ':']))) return bwrap;
  return undefined;
}

function find(name: string): string | undefined {
  return DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) => existsSync(path));
}

function succeeds(argv: readonly string[]): Promise<boolean> {
  const [file, ...args] = argv;
  return new Promise((resolve) => {
    execFile(file!, args, { env: {}, timeout: 5000 }, (error) => resolve(error === null));
  });
}
