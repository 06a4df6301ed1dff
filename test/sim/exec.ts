/**
 * Processes of tasks. They live on the machine: they outlive the slave's process, and leave their
 * exit where its next one finds it (dst.md part 2.5).
 */
import type {
  Adopted,
  AttemptKey,
  Executor,
  ProcessEnd,
  ProcessEvents,
  ProcessSpec,
} from '../../src/slave/ports.ts';
import type { Draw } from './draw.ts';
import { KIND } from './kernel.ts';
import type { Entry, Kernel, Life } from './kernel.ts';
import type { Behaviour } from './tasks.ts';

export interface SimProcess {
  readonly key: AttemptKey;
  readonly argv: readonly string[];
  readonly behaviour: Behaviour;
  readonly startedAt: number;
  end: ProcessEnd | undefined;
  endedAt: number;
  /** Of its descendants, alive. */
  children: number;
  attached: { life: Life; on: ProcessEvents } | undefined;
  exit: Entry | undefined;
  /** When it is killed unless that is moved on. */
  guard: Entry | undefined;
}

export interface ProcessTable {
  readonly all: Map<AttemptKey, SimProcess>;
  /** Those whose own process has not ended. */
  readonly alive: ReadonlySet<SimProcess>;
  executorOf: (life: Life) => Executor;
  /** All die at once, and leave no exit. */
  losePower: () => void;
}

export interface ProcessTableOptions {
  kernel: Kernel;
  draw: Draw;
  /** Of the machine's clocks. */
  rate: number;
  behaviourOf: (spec: ProcessSpec) => Behaviour;
  onSpawn: (spec: ProcessSpec, process: SimProcess) => void;
  onExit: (process: SimProcess) => void;
}

export function makeProcessTable(options: ProcessTableOptions): ProcessTable {
  const { kernel, draw } = options;
  const all = new Map<AttemptKey, SimProcess>();
  const alive = new Set<SimProcess>();

  function spawn(spec: ProcessSpec, life: Life, on: ProcessEvents): void {
    const behaviour = options.behaviourOf(spec);
    const { key } = spec;
    if (behaviour.unstartable) {
      const end = { kind: 'unstartable', why: 'ENOENT' } as const;
      return void kernel.after(500, KIND.process, () => on.ended(end), life);
    }
    const process: SimProcess = {
      key,
      argv: spec.argv,
      behaviour,
      startedAt: kernel.now,
      end: undefined,
      endedAt: Infinity,
      children: 0,
      attached: { life, on },
      exit: undefined,
      guard: undefined,
    };
    all.set(key, process);
    alive.add(process);
    options.onSpawn(spec, process);
    if (behaviour.durationMs < Infinity) {
      const exit = () => exits(process, behaviour.end, behaviour.children);
      process.exit = kernel.after(behaviour.durationMs * 1000, KIND.process, exit);
    }
  }

  function exits(process: SimProcess, end: ProcessEnd, children: number): void {
    if (process.end) return;
    if (process.exit) process.exit.run = undefined;
    if (process.guard) process.guard.run = undefined;
    process.end = end;
    alive.delete(process);
    process.endedAt = kernel.now;
    process.children = children;
    if (children > 0) {
      const endChildren = () => void (process.children = 0);
      kernel.after(process.behaviour.childrenMs * 1000, KIND.process, endChildren);
    }
    options.onExit(process);
    const { attached } = process;
    const latency = draw.between(100, 3000);
    if (attached) {
      kernel.after(latency, KIND.process, () => attached.on.ended(end), attached.life);
    }
  }

  function signal(key: AttemptKey, name: 'SIGTERM' | 'SIGKILL'): void {
    const process = all.get(key);
    if (!process) return;
    const isKill = name === 'SIGKILL';
    const { ignoresTerm } = process.behaviour;
    const latency = isKill || draw.chance(0.7) ? draw.between(200, 5000) : draw.between(0, 2e6);
    kernel.after(latency, KIND.process, () => {
      if (all.get(key) !== process || (!isKill && ignoresTerm)) return;
      if (process.end) process.children = 0;
      else exits(process, { kind: 'signalled', signal: name }, 0);
    });
  }

  /** By the machine: the slave's process need not live for it. */
  function guard(key: AttemptKey, ms: number): void {
    const process = all.get(key);
    if (!process || process.end) return;
    if (process.guard) process.guard.run = undefined;
    const kill = () => {
      if (all.get(key) === process) exits(process, { kind: 'signalled', signal: 'SIGKILL' }, 0);
    };
    process.guard = kernel.after((ms * 1000) / options.rate, KIND.process, kill);
  }

  async function settle(key: AttemptKey, drainMs: number, life: Life): Promise<number> {
    const process = all.get(key);
    if (!process) return 0;
    const left = process.children;
    const until = kernel.now + drainMs * 1000;
    while (process.children > 0) {
      const rest = until - kernel.now;
      await new Promise<void>((resolve) => {
        kernel.after(rest > 0 ? Math.min(rest, 50e3) : 2000, KIND.process, resolve, life);
      });
      if (rest <= 0) process.children = 0;
    }
    return left;
  }

  function adopt(key: AttemptKey, life: Life, on: ProcessEvents): Adopted {
    const process = all.get(key);
    if (!process) return { key, state: 'gone' };
    const { end } = process;
    process.attached = { life, on };
    if (!end) return { key, state: 'running' };
    kernel.after(0, KIND.process, () => on.ended(end), life);
    return { key, state: 'ended' };
  }

  return {
    all,
    alive,
    executorOf: (life) => ({
      isolations: ['none'],
      start: (spec, on) => life.alive && spawn(spec, life, on),
      guard: (key, ms) => life.alive && guard(key, ms),
      signal: (key, name) => life.alive && signal(key, name),
      settle: (key, drainMs) => settle(key, drainMs, life),
      async adopt(keys, on) {
        const adopted = keys.map((key) => adopt(key, life, on(key)));
        // Processes are looked for, which takes its time: meanwhile they may end.
        const us = draw.chance(0.2) ? draw.between(0, 3e6) : draw.between(0, 2_000);
        await new Promise<void>((resolve) => kernel.after(us, KIND.process, resolve, life));
        return adopted;
      },
      close: async () => {},
    }),
    losePower() {
      alive.clear();
      for (const process of all.values()) {
        if (process.exit) process.exit.run = undefined;
        if (process.guard) process.guard.run = undefined;
        process.attached = undefined;
      }
    },
  };
}
