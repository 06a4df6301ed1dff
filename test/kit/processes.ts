import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeClient } from '../../src/api/client.ts';
import { until } from './until.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli/runyard.js');

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A yard of real processes, as people start them; all of it is gone after `stop`. */
export async function startYard() {
  const root = mkdtempSync(join(tmpdir(), 'runyard-yard-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const children = new Map<ChildProcess, Promise<CliResult>>();

  function start(args: string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = new Promise<CliResult>((done) =>
      child.on('close', (code) => {
        children.delete(child);
        done({ code, stdout, stderr });
      }),
    );
    children.set(child, ended);
    return { child, ended, said: () => stdout + stderr };
  }

  async function startMaster(...args: string[]) {
    const master = start([
      'master',
      '--state',
      join(root, 'state'),
      '--port',
      String(port),
      ...args,
    ]);
    await until(async () => {
      if (master.child.exitCode !== null) throw new Error(`master ended: ${master.said()}`);
      return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok ?? false;
    });
    return master;
  }

  return {
    root,
    url,
    port,
    client: makeClient({ server: url }),
    start,
    startMaster,
    startSlave: (name: string, ...args: string[]) =>
      start(['slave', '--master', url, '--name', name, '--work-dir', join(root, name), ...args]),
    run: (...args: string[]): Promise<CliResult> => start(args, { RUNYARD_SERVER: url }).ended,
    async stop() {
      for (const child of children.keys()) child.kill('SIGKILL');
      await Promise.all(children.values());
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
