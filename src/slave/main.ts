/** Puts a slave together from its real parts. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { makeIds, systemRandom } from '../base/random.ts';
import { ARCHES, idText, normalArch } from '../protocol/run.ts';
import { toSlave } from '../protocol/to-slave.ts';
import type { ToSlave } from '../protocol/to-slave.ts';
import type { ToMaster } from '../protocol/to-master.ts';
import { makeAgent } from './agent.ts';
import { commandOf } from './command.ts';
import { makeLanes } from './execute/lanes.ts';
import { makeFileSpool } from './file-spool.ts';
import { makeMasterHttp, sinkOf } from './http.ts';
import { makeOutputs } from './outputs/outputs.ts';
import { connectToMaster } from './socket.ts';
import { openBundleCache } from './workspace/bundle-cache.ts';
import { makeGit } from './workspace/git.ts';
import { workspaceAt } from './workspace/directories.ts';
import { makeWorkspaces } from './workspace/workspaces.ts';

export interface SlaveOptions {
  master: string;
  name?: string | undefined;
  arch?: string | undefined;
  labels?: Record<string, string> | undefined;
  resources?: Record<string, number> | undefined;
  slots?: number | undefined;
  workDir?: string | undefined;
  /** Enrolment token or slave credential. */
  token?: string | undefined;
  allowGitFile?: boolean | undefined;
  log: Log;
}

export interface RunningSlave {
  readonly name: string;
  readonly arch: string;
  readonly slots: number;
  /** Takes nothing more, finishes what it has, leaves. */
  drain: (reason: string, withinMs: number) => Promise<void>;
  /** Ends this process's part at once; processes of tasks go on and can be adopted. */
  close: () => Promise<void>;
  readonly done: Promise<void>;
}

export async function startSlave(options: SlaveOptions): Promise<RunningSlave> {
  const { log } = options;
  const clock = systemClock;
  const ids = makeIds(systemRandom);
  const name = slaveName(options.name ?? hostname().replaceAll(/[^A-Za-z0-9_-]/g, '-'));
  const arch = slaveArch(options.arch ?? process.arch);
  const slots = options.slots ?? availableParallelism();
  const workDir = resolve(options.workDir ?? join('work', name));
  mkdirSync(workDir, { recursive: true, mode: 0o700 });

  let token = options.token;
  const http = makeMasterHttp(options.master, () => token);
  token = await credential(name, token, workDir, () => http.enrol(name));
  const sink = sinkOf(http, (key) => agent.attempts.get(key)?.assignment);
  const cacheDir = join(workDir, 'bundles');
  const workspaces = makeWorkspaces({
    root: workDir,
    cache: await openBundleCache({ dir: cacheDir, source: http, clock, log }),
    git: makeGit({
      dir: join(workDir, 'git'),
      clock,
      ...(options.allowGitFile ? { schemes: ['https', 'ssh', 'file'] as const } : {}),
    }),
    clock,
    log,
  });
  const executor = await makeLanes({ clock, log, workRoot: workDir, slots });
  const wire = connectToMaster<ToMaster, ToSlave>(options.master, {
    auth: () => (token === undefined ? {} : { token }),
    schema: toSlave,
    clock,
    log,
    counters: new Map(),
  });
  const runtask = [process.execPath, fileURLToPath(new URL('../cli/runtask.js', import.meta.url))];
  const base = baseEnvironment();
  const command = { slave: name, arch, master: options.master, runtask, base };
  const agent = makeAgent({
    executor,
    workspaces,
    outputs: makeOutputs({ sink, clock, log }),
    spool: makeFileSpool(workDir),
    clock,
    log,
    random: systemRandom,
    connect: wire.connect,
    isolations: executor.isolations,
    workspaceAt: (key) => workspaceAt(join(workDir, 'attempts', key)),
    putArtifact: http.putArtifact,
    commandOf: (assignment, workspace) => commandOf(assignment, workspace, command),
    facts: {
      name,
      incarnation: ids.random(12),
      arch,
      labels: options.labels ?? {},
      slots,
      resources: { cpus: slots, memoryMb: Math.floor(totalmem() / 2 ** 20), ...options.resources },
      host: hostname(),
    },
  });
  await agent.start();

  return {
    name,
    arch,
    slots,
    done: agent.done,
    async drain(reason, withinMs) {
      await agent.leave(reason, withinMs);
      await executor.close();
    },
    close: () => executor.close(),
  };
}

/** A credential outlives the process; an enrolment token is traded for one, once. */
async function credential(
  name: string,
  token: string | undefined,
  workDir: string,
  enrol: () => Promise<string>,
): Promise<string | undefined> {
  const file = join(workDir, `credential-${name}`);
  if (existsSync(file) && !token?.startsWith('rys_')) return readFileSync(file, 'utf8').trim();
  if (!token?.startsWith('rye_')) return token;
  const traded = await enrol();
  writeFileSync(file, `${traded}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  return traded;
}

function slaveName(text: string): string {
  if (idText.safeParse(text).success) return text;
  throw new YardError('input.name', `${JSON.stringify(text)} is no slave name`, {
    hint: 'use up to 64 of A-Z a-z 0-9 _ -',
  });
}

function slaveArch(text: string): string {
  const arch = normalArch(text);
  if ((ARCHES as readonly string[]).includes(arch)) return arch;
  throw new YardError('hello.arch', `${JSON.stringify(text)} unknown`, {
    hint: `known: ${ARCHES.join(', ')}`,
  });
}

function baseEnvironment(): Record<string, string> {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', LANG = 'C.UTF-8', TZ } = process.env;
  return { PATH, LANG, ...(TZ === undefined ? {} : { TZ }) };
}
