import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { makeIds, systemRandom } from '../../src/base/random.ts';
import { openMaster } from '../../src/master/master.ts';
import type { Master } from '../../src/master/master.ts';
import { makeBlobs } from '../../src/master/store/blobs.ts';
import { makeLevelStore } from '../../src/master/store/level.ts';
import { runRequest } from '../../src/protocol/run.ts';
import type { RunRequestInput, RunStatus } from '../../src/protocol/run.ts';
import type { ToMaster } from '../../src/protocol/to-master.ts';
import type { ToSlave } from '../../src/protocol/to-slave.ts';
import type { Principal } from '../../src/protocol/service.ts';
import { makeAgent } from '../../src/slave/agent.ts';
import { commandOf } from '../../src/slave/command.ts';
import { makeLanes } from '../../src/slave/execute/lanes.ts';
import { makeFileSpool } from '../../src/slave/file-spool.ts';
import { makeOutputs } from '../../src/slave/outputs/outputs.ts';
import { openBundleCache } from '../../src/slave/workspace/bundle-cache.ts';
import { makeGit } from '../../src/slave/workspace/git.ts';
import { workspaceAt } from '../../src/slave/workspace/directories.ts';
import { makeWorkspaces } from '../../src/slave/workspace/workspaces.ts';
import { pairConnections } from './pair.ts';

export const me: Principal = { name: 'me', kind: 'anonymous', scopes: ['admin'] };

/** A master on a real store and slaves with real processes, all in this process, no sockets. */
export async function startCluster(options: { leaseMs?: number } = {}) {
  const root = mkdtempSync(join(tmpdir(), 'runyard-cluster-'));
  const clock = systemClock;
  let master: Master | undefined;
  let blobs: Awaited<ReturnType<typeof makeBlobs>> | undefined;
  const stops: (() => Promise<void>)[] = [];

  async function startMaster(): Promise<Master> {
    const state = join(root, 'state');
    const store = makeLevelStore({
      directory: state,
      clock,
      random: systemRandom,
      pid: process.pid,
    });
    blobs = await makeBlobs({ directory: join(root, 'blobs') });
    const opened = await openMaster({
      store,
      blobs,
      clock,
      random: systemRandom,
      log: silentLog,
      openAccess: true,
      allowGitFile: true,
      leaseMs: options.leaseMs ?? 2000,
      baseUrl: () => 'http://test',
    });
    opened.begin();
    master = opened;
    return opened;
  }

  async function startSlave(name: string, given: { arch?: string; slots?: number } = {}) {
    const workDir = join(root, 'work', name);
    const { arch = 'x86_64', slots = 2 } = given;
    let connections = 0;
    const cut: (() => void)[] = [];
    const executor = await makeLanes({ clock, log: silentLog, workRoot: workDir, slots });
    const workspaces = makeWorkspaces({
      root: workDir,
      cache: await openBundleCache({
        dir: join(workDir, 'bundles'),
        source: { open: async (id) => (await master!.service.openBundle(id)).body },
        clock,
        log: silentLog,
      }),
      git: makeGit({ dir: join(workDir, 'git'), clock, schemes: ['file'] }),
      clock,
      log: silentLog,
    });
    const principal: Principal = { name, kind: 'slave', scopes: [] };
    const agent = makeAgent({
      executor,
      workspaces,
      spool: makeFileSpool(workDir),
      outputs: makeOutputs({
        clock,
        log: silentLog,
        sink: {
          async append(key, stream, offset, bytes) {
            const { assignment } = agent.attempts.get(key) ?? {};
            if (!assignment) return;
            await master!.service.appendOutput({ ...assignment, stream, offset }, bytes, principal);
          },
        },
      }),
      clock,
      log: silentLog,
      random: systemRandom,
      async connect() {
        if (!master) throw new Error('no master');
        const [ours, theirs] = pairConnections<ToMaster, ToSlave>(clock, `${name}${connections++}`);
        cut.push(() => ours.close('cut'));
        master.hub.accept(theirs, { name: undefined });
        return ours;
      },
      isolations: executor.isolations,
      workspaceAt: (key) => workspaceAt(join(workDir, 'attempts', key)),
      putArtifact: async () => {},
      commandOf: (assignment, workspace) =>
        commandOf(assignment, workspace, {
          slave: name,
          arch,
          master: 'http://test',
          runtask: [],
          base: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
        }),
      facts: {
        name,
        incarnation: makeIds(systemRandom).random(12),
        arch,
        labels: {},
        slots,
        resources: {},
        host: 'test',
      },
    });
    await agent.start();
    while (agent.state !== 'SERVING') await new Promise((done) => setTimeout(done, 5));
    stops.push(async () => {
      await agent.leave('test over', 0);
      await executor.close();
    });
    return { agent, executor, cut: () => cut.splice(0).forEach((end) => end()) };
  }

  await startMaster();
  return {
    root,
    get master() {
      return master!;
    },
    get blobs() {
      return blobs!;
    },
    startSlave,
    async restartMaster() {
      const old = master!;
      master = undefined;
      await old.stop();
      return startMaster();
    },
    async submit(...requests: RunRequestInput[]): Promise<string[]> {
      const parsed = requests.map((request) => runRequest.parse(request));
      return (await master!.service.submit(parsed, me)).map(({ runId }) => runId);
    },
    done: (runId: string, ms = 20_000): Promise<RunStatus> =>
      master!.service.waitRun(runId, ms, new AbortController().signal),
    async output(runId: string, stream: 'stdout' | 'stderr' | 'combined' = 'stdout') {
      const opened = await master!.service.openOutput(
        runId,
        stream,
        { follow: false },
        new AbortController().signal,
      );
      return Buffer.concat(await opened.body.toArray()).toString();
    },
    async stop() {
      await Promise.race([
        Promise.all(stops.map((stop) => stop())),
        new Promise((r) => setTimeout(r, 3000)),
      ]);
      await master?.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
