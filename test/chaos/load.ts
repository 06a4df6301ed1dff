/** Clients that submit, wait and abort through every outage, and keep what they were told. */
import { isDone } from '../../src/protocol/run.ts';
import { isYardError, messageOf } from '../../src/base/errors.ts';
import type { Draw } from '../sim/draw.ts';
import type { Answer } from '../sim/oracles/oracle.ts';
import { drawTask } from './tasks.ts';
import type { Task } from './tasks.ts';
import type { World } from './world.ts';

export interface Load {
  readonly tasks: readonly Task[];
  /** What clients were told, in order. */
  readonly answers: readonly Answer[];
  /** Runs that were asked for and are not told to be done. */
  readonly open: ReadonlySet<number>;
  /** What clients were refused for good: nothing that they ask for should be. */
  readonly refusals: readonly string[];
  /** Submits this many at once, beside what goes on. */
  burst: (count: number) => void;
  /** No new runs; resolves when all that were asked for are done. */
  finish: () => Promise<void>;
  /** Gives up on what is open. */
  stop: () => void;
}

/** Answers that only say that nobody could answer. */
const TRY_AGAIN = /^(?:net|store|master)\./;
const PAUSE_MS = 100;

export function startLoad(world: World, draw: Draw, concurrency: number): Load {
  const tasks: Task[] = [];
  const answers: Answer[] = [];
  const open = new Set<number>();
  const refusals: string[] = [];
  const given = new AbortController();
  const clients = new Set<Promise<void>>();
  let isOver = false;

  async function insist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const mayPass = !isYardError(error) || TRY_AGAIN.test(error.code);
        if (given.signal.aborted || !mayPass) throw error;
        await pause(PAUSE_MS);
      }
    }
  }

  async function perform(task: Task): Promise<void> {
    const { index, request, abortAfterMs } = task;
    const { client } = world;
    open.add(index);
    const { runId } = await insist(() => client.submit(request));
    answers.push({ kind: 'submitted', index, runId });
    if (abortAfterMs !== undefined) {
      await pause(abortAfterMs);
      const status = await insist(() => client.abortRun(runId, 'chaos'));
      answers.push({ kind: 'aborted', status });
    }
    for (;;) {
      const status = await insist(() => client.waitRun(runId, 5000));
      answers.push({ kind: 'status', status });
      if (isDone(status.state)) break;
    }
    open.delete(index);
  }

  function next(): Task {
    const task = drawTask(tasks.length + 1, world.marks, draw.fork(`task ${tasks.length + 1}`));
    tasks.push(task);
    return task;
  }

  function follow(client: Promise<void>): void {
    const watched: Promise<void> = client.then(
      () => void clients.delete(watched),
      (error: unknown) => {
        clients.delete(watched);
        if (!given.signal.aborted) refusals.push(messageOf(error));
      },
    );
    clients.add(watched);
  }

  async function live(): Promise<void> {
    while (!isOver && !given.signal.aborted) await perform(next());
  }

  for (let i = 0; i < concurrency; i++) follow(live());
  return {
    tasks,
    answers,
    open,
    refusals,
    burst(count) {
      for (let i = 0; i < count; i++) follow(perform(next()));
    },
    async finish() {
      isOver = true;
      while (clients.size > 0) await Promise.all(clients);
    },
    stop() {
      isOver = true;
      given.abort();
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
