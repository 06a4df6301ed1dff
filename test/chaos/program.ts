/** One program of the yard as a process that is killed, stopped and started again. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface Program {
  readonly name: string;
  readonly isUp: boolean;
  /** How it ended last, if by itself. */
  start: () => void;
  /** Resolves when it is gone. */
  kill: () => Promise<void>;
  /** Asks it to leave; false: it had to be killed. */
  leave: (withinMs: number) => Promise<boolean>;
  pause: () => void;
  resume: () => void;
  /** Resolves when it is gone, whoever ended it. */
  gone: () => Promise<void>;
  /** The end of what it logged. */
  tail: () => string;
}

export interface ProgramOptions {
  name: string;
  argv: readonly string[];
  env?: Record<string, string>;
  log: string;
  /** It ended, and nobody had asked for that. */
  onEnd: (status: string) => void;
}

export function makeProgram({ name, argv, env = {}, log, onEnd }: ProgramOptions): Program {
  let running: { child: ChildProcess; ended: Promise<void>; isAsked: boolean } | undefined;

  function start(): void {
    if (running) return;
    const file = openSync(log, 'a');
    const child = spawn(argv[0]!, argv.slice(1), {
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    const ended = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        const { isAsked } = running!;
        running = undefined;
        if (!isAsked) onEnd(code === null ? String(signal) : `exit ${code}`);
        resolve();
      });
    });
    running = { child, ended, isAsked: false };
  }

  return {
    name,
    get isUp() {
      return running !== undefined;
    },
    start,
    async kill() {
      if (!running) return;
      running.isAsked = true;
      running.child.kill('SIGKILL');
      await running.ended;
    },
    async leave(withinMs) {
      if (!running) return true;
      const { child, ended } = running;
      running.isAsked = true;
      child.kill('SIGTERM');
      const late = new Promise<boolean>((resolve) => setTimeout(resolve, withinMs, true).unref());
      if (!(await Promise.race([ended.then(() => false), late]))) return true;
      child.kill('SIGKILL');
      await ended;
      return false;
    },
    pause: () => void running?.child.kill('SIGSTOP'),
    resume: () => void running?.child.kill('SIGCONT'),
    gone: () => running?.ended ?? Promise.resolve(),
    tail: () => readFileSync(log, 'utf8').slice(-2000),
  };
}
