import { manualClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { EMPTY_SHA256 } from '../../src/base/sha256.ts';
import type { Assignment } from '../../src/protocol/to-slave.ts';
import type { FinishedReport } from '../../src/protocol/to-master.ts';
import type { AttemptPorts } from '../../src/slave/attempt.ts';
import type {
  Artifact,
  AttemptKey,
  ProcessEnd,
  ProcessEvents,
  Workspace,
} from '../../src/slave/ports.ts';

const quiet = { bytes: 0, sha256: EMPTY_SHA256, droppedBytes: 0 };

export function assignmentOf(own: Partial<Assignment> = {}): Assignment {
  return {
    runId: 'r1',
    attempt: 1,
    token: 't1',
    argv: ['true'],
    env: {},
    isolation: 'none',
    timeoutMs: 0,
    outputTimeoutMs: 0,
    graceMs: 1_000,
    outputBytesMax: 65_536,
    exclusive: false,
    ...own,
  };
}

export function workspaceOf(key: AttemptKey): Workspace {
  const root = `/attempts/${key}`;
  const files = { stdout: `${root}/out`, stderr: `${root}/err`, combined: `${root}/all` };
  return { root, cwd: `${root}/work`, artifactsDir: `${root}/artifacts`, files };
}

export function artifactOf(name: string): Artifact {
  return { name, bytes: 0, sha256: EMPTY_SHA256, path: `/artifacts/${name}` };
}

/** A gate that a test opens, or breaks. */
export function makeGate() {
  let open: () => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const passed = new Promise<void>((resolve, reject) => ([open, fail] = [resolve, reject]));
  passed.catch(() => {});
  return { passed, open: () => open(), fail: (error: unknown) => fail(error) };
}

/** A machine of a slave that does nothing by itself: a test says when what ends, and how. */
export function scriptedMachine() {
  const clock = manualClock();
  const happened: string[] = [];
  const processes = new Map<AttemptKey, ProcessEvents>();
  const kept = new Map<AttemptKey, { assignment?: Assignment; report?: FinishedReport }>();
  const script = {
    prepare: async (_key: AttemptKey, _signal: AbortSignal): Promise<void> => {},
    keepAssignment: async (): Promise<void> => {},
    keepReport: async (): Promise<void> => {},
    flushed: async (): Promise<void> => {},
    remove: async (): Promise<void> => {},
    /** Bytes of stdout that each attempt wrote. */
    bytes: 0,
    lastOutputAt: 0,
    /** What processes left behind by an earlier process of the slave are. */
    adopt: 'gone' as 'running' | 'gone' | 'ended',
    epoch: 0,
    drained: false,
    leftOver: [] as AttemptKey[],
    leftBehind: 0,
    artifacts: [] as Artifact[],
  };
  const note = (text: string) => void happened.push(`${clock.now()} ${text}`);

  const ports: AttemptPorts = {
    clock,
    log: silentLog,
    executor: {
      isolations: ['none'],
      start({ key }, on) {
        note(`start ${key}`);
        processes.set(key, on);
      },
      guard: (key, ms) => note(`guard ${key} for ${ms}`),
      signal(key, signal) {
        note(`${signal} ${key}`);
        if (signal === 'SIGKILL') end(key, { kind: 'signalled', signal });
      },
      async settle(key) {
        note(`settle ${key}`);
        return script.leftBehind;
      },
      async adopt(keys, on) {
        for (const key of keys) if (script.adopt !== 'gone') processes.set(key, on(key));
        return keys.map((key) => ({ key, state: script.adopt }));
      },
      close: async () => {},
    },
    workspaces: {
      async prepare(key, _bundle, { signal }) {
        await script.prepare(key, signal);
        note(`prepared ${key}`);
        return workspaceOf(key);
      },
      collect: async () => script.artifacts,
      async remove(key) {
        note(`remove ${key}`);
        await script.remove();
        kept.delete(key);
      },
      leftOver: async () => script.leftOver,
    },
    outputs: {
      follow: () => ({
        get lastOutputAt() {
          return script.lastOutputAt;
        },
        finish: async () => ({
          manifests: { stdout: { ...quiet, bytes: script.bytes }, stderr: quiet, combined: quiet },
        }),
        flushed: () => script.flushed(),
        stop: () => {},
      }),
    },
    spool: {
      async keepAssignment(key, assignment) {
        await script.keepAssignment();
        kept.set(key, { ...kept.get(key), assignment });
        note(`keep assignment ${key}`);
      },
      async keepReport(key, report) {
        await script.keepReport();
        kept.set(key, { ...kept.get(key), report });
        note(`keep report ${key}`);
      },
      async read(key) {
        const { assignment, report } = kept.get(key) ?? {};
        return { assignment, report };
      },
      async keepEpoch(epoch) {
        script.epoch = epoch;
      },
      readEpoch: async () => script.epoch,
      async keepDrained(drained) {
        script.drained = drained;
      },
      readDrained: async () => script.drained,
    },
    commandOf: () => ({ argv: ['true'], env: {} }),
    putArtifact: async () => {},
  };

  function end(key: AttemptKey, how: ProcessEnd): void {
    const on = processes.get(key);
    processes.delete(key);
    on?.ended(how);
  }

  return {
    clock,
    ports,
    happened,
    kept,
    script,
    running: () => [...processes.keys()],
    exit: (key: AttemptKey, code = 0) => end(key, { kind: 'exited', code }),
    end,
    /** What happened, without its instants. */
    steps: () => happened.map((text) => text.slice(text.indexOf(' ') + 1)),
  };
}
