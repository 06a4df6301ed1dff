import { spawn } from 'node:child_process';
import type { Clock } from '../../base/clock.ts';
import { YardError, quote } from '../../base/errors.ts';
import type { GitScheme } from '../../protocol/bundle-ref.ts';

/**
 * Runs git and answers with its standard output. An abort kills it, and it has ended before the
 * reason is thrown, so that nobody writes any more. Failure is `bundle.git`, with git's own words.
 */
export type RunGit = (args: readonly string[], signal: AbortSignal) => Promise<string>;

export interface GitRunnerOptions {
  clock: Clock;
  schemes: readonly GitScheme[];
  env: Readonly<Record<string, string>>;
}

const TEXT_BYTES_MAX = 16 * 1024;
/** A git that gets SIGTERM removes its locks; one that does not within this gets SIGKILL. */
const GRACE_MS = 2000;

/**
 * Whatever a repository or a stranger's configuration could make git run or write outside is off:
 * hooks, monitors, filters, helpers, submodules, links, and all transports but the allowed.
 */
const CONFIG = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.symlinks=false',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'core.autocrlf=false',
  'credential.helper=',
  'transfer.fsckObjects=true',
  'transfer.bundleURI=false',
  'submodule.recurse=false',
  'fetch.unpackLimit=1',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
  'protocol.allow=never',
];

const ENV = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  XDG_CONFIG_HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  SSH_ASKPASS: '/bin/false',
  GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
  GIT_LFS_SKIP_SMUDGE: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
};

export function gitRunner({ clock, schemes, env }: GitRunnerOptions): RunGit {
  const config = [...CONFIG, ...schemes.map((scheme) => `protocol.${scheme}.allow=always`)];
  const flags = config.flatMap((setting) => ['-c', setting]);
  const whole = { ...ENV, ...env, GIT_ALLOW_PROTOCOL: schemes.join(':') };

  return (args, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const child = spawn('git', [...flags, ...args], {
        cwd: '/',
        env: whole,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [output, complaints] = [gather(child.stdout), gather(child.stderr)];
      const onAbort = () => {
        // It has ended, and only what it started still holds its pipes: there is no more to hear.
        if (child.exitCode !== null || child.signalCode !== null) return reject(signal.reason);
        child.kill('SIGTERM');
        const killing = clock.setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
        child.once('exit', () => {
          killing.cancel();
          reject(signal.reason);
        });
      };
      signal.addEventListener('abort', onAbort, { once: true });
      child.once('error', (cause) => {
        signal.removeEventListener('abort', onAbort);
        reject(new YardError('slave.git', 'git cannot be started', { hint: 'install git', cause }));
      });
      // Not `exit`: before `close`, some of what it said may still be under way.
      child.once('close', (code, killedBy) => {
        signal.removeEventListener('abort', onAbort);
        if (code === 0) resolve(output());
        else
          reject(failure(complaints(), code === null ? `killed by ${killedBy}` : `exit ${code}`));
      });
    });
}

function failure(said: string, how: string): YardError {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.find((line) => /^(?:fatal|error): /.test(line)) ?? lines.at(-1) ?? '';
  return new YardError('bundle.git', `git failed (${how}): ${quote(telling)}`);
}

function gather(stream: NodeJS.ReadableStream): () => string {
  const pieces: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (piece: Buffer) => {
    if (bytes < TEXT_BYTES_MAX) pieces.push(piece);
    bytes += piece.length;
  });
  return () => Buffer.concat(pieces).toString('utf8', 0, TEXT_BYTES_MAX);
}
