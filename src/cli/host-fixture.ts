import { manualClock } from '../base/clock.ts';
import type { RunRequestInput, RunStatus } from '../protocol/run.ts';
import type { Client } from './client.ts';
import type { CliHost, StopSignal } from './host.ts';
import { runyard } from './program.ts';

/** Of every run here. */
export const ID = '1m7ybe7dfmc6ysjt';

/** A host whose screen can be read, and whose master is what a test says that it answers. */
export function fakeHost(client: Partial<Client> = {}, given: Partial<CliHost> = {}) {
  const said = { stdout: '', stderr: '' };
  const masters: { server: string; token?: string }[] = [];
  const listeners = new Set<(signal: StopSignal) => void>();
  const outlet = (name: keyof typeof said) => ({
    print: (text: string) => void (said[name] += text),
    write: (bytes: Uint8Array) => void (said[name] += Buffer.from(bytes).toString('latin1')),
    isTerminal: false,
    columns: Infinity,
  });
  const host: CliHost = {
    env: {},
    cwd: '/',
    clock: manualClock(),
    stdout: outlet('stdout'),
    stderr: outlet('stderr'),
    readInput: async () => '',
    connect(master) {
      masters.push(master);
      return answering(client);
    },
    program: [process.execPath],
    onStop(callback) {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    },
    ...given,
  };
  return {
    host,
    said,
    masters,
    signal: (name: StopSignal) => listeners.forEach((listener) => listener(name)),
    run: (...argv: string[]) => runyard(argv, host),
  };
}

/** What a test did not expect to be asked is a fault of what it tests. */
function answering(client: Partial<Client>): Client {
  return new Proxy(client as Client, {
    get(target, name: keyof Client) {
      if (target[name]) return target[name];
      return () => {
        throw new Error(`the master was asked to ${name}`);
      };
    },
  });
}

/** Takes every request, and notes it. */
export function keepIn(requests: RunRequestInput[]): Client['submit'] {
  return async (request) => {
    requests.push(request);
    return { runId: ID, created: true };
  };
}

export function aRun(given: Partial<RunStatus> = {}): RunStatus {
  return {
    runId: ID,
    state: 'COMPLETE',
    exitCode: 0,
    reason: 'exited 0',
    attempt: 1,
    failures: 0,
    lost: 0,
    slave: 's1',
    priority: 0,
    stdoutRef: 'http://127.0.0.1:7070/runs/1m7ybe7dfmc6ysjt/outputs/stdout',
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: '2026-01-01T00:00:01.000Z',
    finishedAt: '2026-01-01T00:00:05.200Z',
    ...given,
  };
}

export async function* bytesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
