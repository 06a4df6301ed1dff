/** Control groups (cgroup v2): where on this machine groups of a slave's own can be made. */
import { execFile } from 'node:child_process';
import { access, mkdtemp, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What the kernel says of mounts and of our own group; files of /proc. */
export interface CgroupFiles {
  mounts: string;
  own: string;
}

const PROC: CgroupFiles = { mounts: '/proc/self/mountinfo', own: '/proc/self/cgroup' };
const PROBE_MS = 5000;
/** A shell that joins a group and then kills the group: it dies, or the group is of no use. */
const PROBE = 'echo 0 >"$0/cgroup.procs" && echo 1 >"$0/cgroup.kill"; exit 1';

/**
 * The directory in which groups can be made, found by trying it whole: a group is made, joined,
 * killed by `cgroup.kill` (Linux 5.14) and removed. Undefined where any of that cannot be done.
 */
export async function probeCgroup(shell: string, files = PROC): Promise<string | undefined> {
  const [mounts, own] = await Promise.all([textOf(files.mounts), textOf(files.own)]);
  const parent = ownGroup(mounts, own);
  if (parent === undefined) return undefined;
  let group: string;
  try {
    group = await mkdtemp(join(parent, 'runyard-probe-'));
  } catch {
    return undefined;
  }
  try {
    // Elsewhere than in a group, mkdir makes an empty directory, and `echo` would make the file.
    await access(join(group, 'cgroup.kill'));
    return (await diesByKill(shell, group)) ? parent : undefined;
  } catch {
    return undefined;
  } finally {
    await rmdir(group).catch(() => undefined);
  }
}

/** Our own group's directory, by `/proc/self/mountinfo` and `/proc/self/cgroup`. */
export function ownGroup(mounts: string, own: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(own)?.[1];
  if (path === undefined || path.split('/').includes('..')) return undefined;
  for (const line of mounts.split('\n')) {
    const [fields = '', type = ''] = line.split(' - ');
    if (!type.startsWith('cgroup2 ')) continue;
    const [, , , root, mountPoint] = fields.split(' ').map(unescapeField);
    // Only a part of the hierarchy may be mounted; our group need not be in it.
    const below = root === '/' ? path : path.slice(root!.length);
    const isInside = root === '/' || path === root || path.startsWith(`${root}/`);
    if (isInside) return join(mountPoint!, below);
  }
  return undefined;
}

/** As the kernel writes paths there: `\040` for a space. */
function unescapeField(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function diesByKill(shell: string, group: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(shell, ['-c', PROBE, group], { env: {}, timeout: PROBE_MS }, (error) => {
      resolve(error?.signal === 'SIGKILL' && error.killed !== true);
    });
  });
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return '';
  }
}
