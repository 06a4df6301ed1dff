/**
 * Guards the simulated world against the real one: while a simulation runs, whoever reads a real
 * clock, draws real chance, arms a real timer or touches a file, a socket or a process is named
 * and gets an error (dst.md part 2.1).
 */
import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import dns from 'node:dns';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import perfHooks from 'node:perf_hooks';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import tls from 'node:tls';

/** What was used, and by whom: `Date.now at src/master/yard.ts:12:3`. */
export type Leak = string;

const PROCESS = ['hrtime', 'uptime', 'cpuUsage', 'memoryUsage', 'resourceUsage', 'kill'];
const GLOBALS = ['setTimeout', 'setInterval', 'setImmediate', 'fetch'];
const CRYPTO = [
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
  'getRandomValues',
  'generateKey',
  'generateKeyPair',
  'generateKeySync',
  'generateKeyPairSync',
];

/** Of these modules, every function that is not a class. */
const WHOLE: Record<string, object> = {
  child_process: childProcess,
  dgram,
  dns,
  fs,
  'fs/promises': fsPromises,
  net,
  os,
  timers,
  'timers/promises': timersPromises,
  tls,
};
const SERVERS: Record<string, object> = { http, https };
const SERVER_NAMES = ['request', 'get', 'createServer'];
/** They look at their argument and at nothing else. */
const PURE =
  /^(?:is[A-Z]|_|promises$|clear|set[A-Z]\w*(?:AutoSelect|Server|Order)|get[A-Z]\w*Order)/;

type Table = Record<string, unknown>;

/** Runs `task`, and tells what of the real world it used meanwhile. Nothing stays behind. */
export function withTraps<T>(task: () => T): { value: T; leaks: Leak[] } {
  const leaks = new Set<Leak>();
  const undo: (() => void)[] = [];

  function replace(table: object, key: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(table, key);
    if (before && !before.configurable) return;
    Object.defineProperty(table, key, { value, configurable: true, writable: true });
    undo.push(() => {
      if (before) Object.defineProperty(table, key, before);
      else delete (table as Table)[key];
    });
  }

  function trip(name: string): never {
    const leak = `${name} at ${callerOf(new Error().stack ?? '')}`;
    leaks.add(leak);
    throw new Error(`a simulation used the real world: ${leak}`);
  }

  function trap(table: object, key: string, name: string): void {
    const real = (table as Table)[key];
    if (typeof real !== 'function') return;
    const trapped = () => trip(name);
    // Some carry others: process.hrtime.bigint.
    for (const inner of Object.keys(real)) Object.assign(trapped, { [inner]: trapped });
    replace(table, key, trapped);
  }

  trapGlobals(trap, replace, trip);
  for (const [module, table] of Object.entries(WHOLE)) {
    for (const key of Object.keys(table)) {
      if (/^[a-z]/.test(key) && !PURE.test(key)) trap(table, key, `${module}.${key}`);
    }
  }
  for (const [module, table] of Object.entries(SERVERS)) {
    for (const key of SERVER_NAMES) trap(table, key, `${module}.${key}`);
  }
  for (const key of CRYPTO) trap(crypto, key, `crypto.${key}`);
  // Named imports of these modules are bindings of their own; this brings them in line.
  syncBuiltinESMExports();
  try {
    return { value: task(), leaks: [...leaks] };
  } finally {
    for (const restore of undo.toReversed()) restore();
    syncBuiltinESMExports();
  }
}

function trapGlobals(
  trap: (table: object, key: string, name: string) => void,
  replace: (table: object, key: string, value: unknown) => void,
  trip: (name: string) => never,
): void {
  const RealDate = Date;
  replace(
    globalThis,
    'Date',
    new Proxy(RealDate, {
      apply: () => trip('Date()'),
      construct: (target, args, newTarget) =>
        args.length === 0 ? trip('new Date()') : Reflect.construct(target, args, newTarget),
      get: (target, key) => (key === 'now' ? () => trip('Date.now') : Reflect.get(target, key)),
    }),
  );
  for (const key of GLOBALS) trap(globalThis, key, key);
  for (const key of PROCESS) trap(process, key, `process.${key}`);
  trap(Math, 'random', 'Math.random');
  trap(AbortSignal, 'timeout', 'AbortSignal.timeout');
  trap(Object.getPrototypeOf(perfHooks.performance) as object, 'now', 'performance.now');
  trap(perfHooks.performance, 'now', 'performance.now');
  trap(globalThis.crypto, 'getRandomValues', 'crypto.getRandomValues');
  trap(globalThis.crypto, 'randomUUID', 'crypto.randomUUID');
}

/** The first line of a stack that is neither of this file nor of Node itself. */
function callerOf(stack: string): string {
  const lines = stack.split('\n').slice(1);
  const line = lines.find((text) => !/traps\.[jt]s|node:internal|\(node:/.test(text)) ?? 'unknown';
  return line.trim().replace(/^at /, '').replace(`${process.cwd()}/`, '').replace('file://', '');
}
