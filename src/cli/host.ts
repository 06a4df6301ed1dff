import type { Client } from './client.ts';
import type { Clock } from '../base/clock.ts';

/** What the program needs of the process that it is. */
export interface CliHost {
  env: Readonly<Record<string, string>>;
  cwd: string;
  clock: Clock;
  stdout: Outlet;
  stderr: Outlet;
  /** Where somebody sits before it: input and output are both a terminal. */
  terminal?: Terminal | undefined;
  /** All of standard input. */
  readInput: () => Promise<string>;
  connect: (master: { server: string; token?: string }) => Client;
  /** The words that start this same program again. */
  program: readonly string[];
  /**
   * Calls back for each SIGINT or SIGTERM, which then no longer end the process; what it returns
   * undoes that.
   */
  onStop: (callback: (signal: StopSignal) => void) => () => void;
}

export interface Terminal {
  size: () => { columns: number; rows: number };
  /** Calls back with what keys send, as they are pressed; what it returns undoes that. */
  onKeys: (callback: (text: string) => void) => () => void;
  onResize: (callback: () => void) => () => void;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

export interface Outlet {
  print: (text: string) => void;
  write: (bytes: Uint8Array) => void;
  isTerminal: boolean;
  /** Infinity where lines are never cut. */
  columns: number;
}

export type { Client };
