/** Child processes of a bench, what they cost, and a directory that goes with them. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Ticks of /proc/PID/stat: 100 a second on every Linux that Node runs on. */
const TICK_US = 10_000;

/** Runs `bench` with a place for children and files; both are gone afterwards, however it ends. */
export async function withProcesses(bench) {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-bench-'));
  const children = new Set();

  function start(file, args, options = {}) {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
    children.add(child);
    child.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        children.delete(child);
        resolve({ code, signal });
      });
    });
    child.ended.catch(() => {});
    return child;
  }

  const stopAll = async () => {
    const ends = [...children].map((child) => child.ended.catch(() => {}));
    for (const child of children) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const child of children) child.kill('SIGKILL');
    }, 5_000);
    await Promise.all(ends);
    clearTimeout(timer);
  };
  const interrupted = () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await bench({ directory, start });
  } finally {
    await stopAll();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Resolves with the first line that the child prints and that `pattern` matches. */
export function saying(child, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    const hear = (chunk) => {
      text += chunk;
      const found = pattern.exec(text);
      if (!found) return;
      child.stdout.off('data', hear);
      // Whatever it says from now on must not fill the pipe.
      child.stdout.resume();
      resolve(found);
    };
    child.stdout.on('data', hear);
    child.ended.then(
      ({ code, signal }) => reject(new Error(`ended with ${code ?? signal} before it was up`)),
      reject,
    );
  });
}

/** Resolves with the next message of a forked child. */
export function messageFrom(child) {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.ended.then(({ code }) => reject(new Error(`a child ended with ${code}`)), reject);
  });
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** CPU time of a process, all its threads, children that were waited for too. */
export function cpuUs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number);
  return {
    own: (user + system) * TICK_US,
    children: (childUser + childSystem) * TICK_US,
  };
}

/** Resident memory of a process in megabytes. */
export function rssMb(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) / 1024;
}
