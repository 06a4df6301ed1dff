/** Programs of ours as children: each line that they print says whose it is. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import type { CliHost, StopSignal } from './host.ts';

export interface Child {
  readonly label: string;
  /** What it printed first; undefined if it ended without a word. */
  readonly said: Promise<string | undefined>;
  readonly ended: Promise<ChildEnd>;
  stop: (signal: StopSignal) => void;
}

export interface ChildEnd {
  child: Child;
  status: number;
}

export interface ChildOptions {
  label: string;
  args: readonly string[];
  onLine: (label: string, line: string, stream: 'stdout' | 'stderr') => void;
}

const SIGNAL_NUMBERS: Record<string, number> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/**
 * Starts this program once more with other arguments. A group of its own keeps Ctrl-C from
 * reaching it twice; the channel tells it when we are gone.
 */
export function startChild({ program, cwd, env }: CliHost, options: ChildOptions): Child {
  const { label, args, onLine } = options;
  const [file, ...words] = program;
  const started = spawn(file!, [...words, ...args], {
    cwd,
    env: { ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const { stdout, stderr } = started as unknown as { stdout: Readable; stderr: Readable };
  let hear: (line: string | undefined) => void = () => {};
  const said = new Promise<string | undefined>((resolve) => (hear = resolve));
  const lines = createInterface({ input: stdout });
  lines.on('line', (line) => {
    hear(line);
    onLine(label, line, 'stdout');
  });
  createInterface({ input: stderr }).on('line', (line) => onLine(label, line, 'stderr'));
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    started.once('error', reject);
    started.once('close', (code, signal) => {
      hear(undefined);
      resolve({ child, status: code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0) });
    });
  });
  const child: Child = { label, said, ended, stop: (signal) => void started.kill(signal) };
  return child;
}
