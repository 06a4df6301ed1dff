/** The processes of a task, as a port, and the one that starts them on this machine. */
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { YardError, messageOf } from '../base/errors.ts';

export type ProcessEnd =
  | { kind: 'exited'; code: number }
  | { kind: 'signalled'; signal: string }
  | { kind: 'unstartable'; why: string };

export interface ProcessRequest {
  argv: readonly [string, ...string[]];
  cwd: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  /** Written to its standard input, which is then at its end. */
  input?: string;
  /** Whether to give it file descriptor 3 to answer on. */
  answers?: boolean;
}

export interface ProcessReport {
  end: ProcessEnd;
  /** What it wrote on descriptor 3. */
  answer: string;
}

/** Its standard output and error go where the task's own go, unseen by us. */
export interface Processes {
  run: (request: ProcessRequest) => Promise<ProcessReport>;
}

/** The most that a process may answer on descriptor 3. */
const ANSWER_BYTES_MAX = 16 * 2 ** 20;

export interface ProcessOptions {
  /** A file descriptor each, or ours. */
  stdout: number | 'inherit';
  stderr: number | 'inherit';
  /** When it is aborted the process gets SIGTERM; what it does about that is waited for. */
  signal?: AbortSignal;
}

export function makeProcesses({ stdout, stderr, signal }: ProcessOptions): Processes {
  function start({
    argv,
    cwd,
    env,
    input,
    answers = false,
  }: ProcessRequest): ChildProcess | string {
    const [file, ...args] = argv;
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const stdio: StdioOptions = [stdin, stdout, stderr, ...(answers ? ['pipe' as const] : [])];
    try {
      return spawn(file, args, { cwd, env, stdio });
    } catch (error) {
      // A NUL in an argument, or more arguments than the system takes.
      return messageOf(error);
    }
  }

  return {
    run: (request) =>
      new Promise((resolve, reject) => {
        const child = start(request);
        if (typeof child === 'string') {
          return resolve({ end: { kind: 'unstartable', why: child }, answer: '' });
        }
        const answer = collectAnswer(child, reject);
        const stop = () => void child.kill('SIGTERM');
        if (signal?.aborted) stop();
        signal?.addEventListener('abort', stop, { once: true });

        function conclude(end: ProcessEnd): void {
          signal?.removeEventListener('abort', stop);
          resolve({ end, answer: answer() });
        }
        child.on('error', (error) => {
          if (child.pid === undefined) conclude({ kind: 'unstartable', why: error.message });
        });
        child.on('close', (code, name) => {
          if (child.pid === undefined) return;
          conclude(
            name === null ? { kind: 'exited', code: code! } : { kind: 'signalled', signal: name },
          );
        });
        if (request.input !== undefined && child.stdin) give(child.stdin, request.input);
      }),
  };
}

function give(stdin: Writable, input: string): void {
  // A process may end, or close its input, without reading it: its own end says what happened.
  stdin.on('error', () => {});
  stdin.end(input);
}

function collectAnswer(child: ChildProcess, reject: (error: Error) => void): () => string {
  const stream = child.stdio[3] as Readable | null | undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      child.kill('SIGKILL');
      stream.destroy();
      reject(new YardError('task.answer_too_large', 'the value returned is larger than 16 MiB'));
    } else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** How a process ended, in words: `exited with 3`. */
export function endText(end: ProcessEnd): string {
  switch (end.kind) {
    case 'exited':
      return `exited with ${end.code}`;
    case 'signalled':
      return `was ended by ${end.signal}`;
    case 'unstartable':
      return `could not be started: ${end.why}`;
  }
}

export function isSuccess(end: ProcessEnd): boolean {
  return end.kind === 'exited' && end.code === 0;
}
