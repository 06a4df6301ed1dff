#!/usr/bin/env -S node --max-semi-space-size=64
/**
 * `runyard`: the process around the program. A busy master makes much that dies young: a nursery
 * four times as large as Node's own is collected a quarter as often, and saves some 10 % of its time.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeClient } from '../api/client.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { CliHost, Outlet, Terminal } from './host.ts';
import { runyard } from './program.ts';

function makeHost(script: string): CliHost {
  const env = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return {
    env: Object.fromEntries(env),
    cwd: process.cwd(),
    clock: systemClock,
    stdout: outletOf(process.stdout),
    stderr: outletOf(process.stderr),
    terminal: process.stdin.isTTY && process.stdout.isTTY ? terminalOf() : undefined,
    async readInput() {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
    connect: (master) => makeClient(master),
    program: [process.execPath, ...process.execArgv, script],
    onStop(callback) {
      const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
        const handler = () => callback(name);
        process.on(name, handler);
        return () => void process.off(name, handler);
      });
      // Started by "up": when that is gone, nobody else ends this.
      const orphaned = () => callback('SIGTERM');
      process.on('disconnect', orphaned);
      return () => {
        for (const undo of handlers) undo();
        process.off('disconnect', orphaned);
      };
    },
  };
}

function terminalOf(): Terminal {
  const { stdin, stdout } = process;
  return {
    size: () => ({ columns: stdout.columns, rows: stdout.rows }),
    onKeys(callback) {
      const hear = (data: Buffer) => callback(data.toString('utf8'));
      stdin.setRawMode(true);
      stdin.on('data', hear);
      stdin.resume();
      return () => {
        stdin.off('data', hear);
        stdin.setRawMode(false);
        stdin.pause();
      };
    },
    onResize(callback) {
      stdout.on('resize', callback);
      return () => void stdout.off('resize', callback);
    },
  };
}

function outletOf(stream: NodeJS.WriteStream): Outlet {
  // `runyard run list | head`: nobody reads on, which is no fault.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141);
    throw error;
  });
  return {
    print: (text) => void stream.write(text),
    write: (bytes) => void stream.write(bytes),
    isTerminal: stream.isTTY ?? false,
    columns: stream.isTTY ? stream.columns : Infinity,
  };
}

async function main(script: string): Promise<void> {
  let status: number;
  try {
    status = await runyard(process.argv.slice(2), makeHost(script));
  } catch (error) {
    // A task's own code must not be taken for a fault of ours, nor the reverse.
    const stack = error instanceof Error ? error.stack : undefined;
    process.stderr.write(`internal.bug: ${stack ?? messageOf(error)}\n`);
    status = 70;
  }
  // Connections that are kept for later would keep the process, too.
  process.exit(status);
}

const invoked = process.argv[1];
const script = fileURLToPath(import.meta.url);
if (invoked !== undefined && realpathSync(invoked) === script) await main(script);
