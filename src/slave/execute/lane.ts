import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { kill } from 'node:process';
import type { Log } from '../../base/log.ts';
import type { Machine } from './machine.ts';
import { type TreeRoot, findProcess } from './process-tree.ts';
import { prologue } from './task-text.ts';

/** A resident shell that runs one task after the other; leader of its own session and group. */
export interface Lane {
  /** Undefined if the machine could not start it; `onExit` then follows. */
  readonly root: TreeRoot | undefined;
  run: (text: string) => void;
  /** Resolves when it has ended, which an idle lane does at once. Nothing is reported any more. */
  end: () => Promise<void>;
  /** Leaves it to finish what it runs and then to end by itself. Nothing is reported any more. */
  abandon: () => void;
}

export interface LaneEvents {
  /** Its task has ended. `orphans` holds the pids left to the lane, where it can see them. */
  onReport: (ticket: number, status: string, orphans: readonly string[]) => void;
  /** Nobody asked it to end, but it did. */
  onExit: (why: string) => void;
}

export function openLane(machine: Machine, log: Log, on: LaneEvents): Lane {
  const [file, ...args] = [...machine.subreaper, machine.shell, '-s', 'runyard-lane'];
  const child = spawn(file!, args, {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const { pid } = child;
  const startTime = pid === undefined ? undefined : findProcess(pid)?.startTime;
  const root = pid === undefined || startTime === undefined ? undefined : { pid, startTime };
  let isHeard = true;

  function over(why: string): void {
    if (isHeard) on.onExit(why);
    isHeard = false;
  }
  child.on('error', (error) => over(error.message));
  child.on('exit', (code, signal) => over(`its lane ended (${signal ?? code})`));
  // A lane that died before it read its line is told of by its exit.
  child.stdin.on('error', (error) => log.debug({ error: error.message }, 'lane took no line'));
  readReports(child.stdout, log, (ticket, status, orphans) => {
    if (isHeard) on.onReport(ticket, status, orphans);
  });
  if (root) {
    child.stdin.write(prologue(`lane ${root.pid} ${root.startTime}`, machine.subreaper.length > 0));
  }

  return {
    root,
    run: (text) => void child.stdin.write(text),
    async end() {
      isHeard = false;
      const hasEnded = child.exitCode !== null || child.signalCode !== null || !root;
      const exit = hasEnded ? undefined : once(child, 'exit');
      child.stdin.end();
      await exit;
    },
    abandon() {
      isHeard = false;
      child.stdin.end();
      child.stdout.destroy();
      child.unref();
    },
  };
}

function readReports(
  stream: NodeJS.ReadableStream,
  log: Log,
  onReport: LaneEvents['onReport'],
): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [ticket, status, ...orphans] = line.split(' ');
      if (/^\d+$/.test(ticket!) && status)
        onReport(Number(ticket), status, orphans.filter(Boolean));
      else log.warn({ line }, 'a lane said something else than a report');
    }
  });
}

/** Signals a process, or a group by its negated number, if it is there and we may. */
export function signalProcess(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    kill(pid, signal);
  } catch (error) {
    // A task that became another user is beyond us; whoever waits for its end says so.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
