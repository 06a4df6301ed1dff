/**
 * Kills what must be dead by a certain time, whatever has become of the slave by then (`exclusive`,
 * dst.md part 4). One small shell for each such attempt reads the time from a file: moved on, it
 * waits; when the file is gone, it ends.
 */
import { spawn } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Log } from '../../base/log.ts';
import type { AttemptKey } from '../ports.ts';
import type { AttemptProcess } from './attempt-process.ts';
import type { Machine } from './machine.ts';

export interface Watchdogs {
  /** From now; a later call moves it on. */
  set: (key: AttemptKey, ms: number) => void;
  clear: (process: AttemptProcess) => void;
}

/** In hundredths of a second since the machine started, as /proc/uptime has it: no jump moves it. */
const WATCH = `while read -r end <"$1" 2>/dev/null;do read -r up rest </proc/uptime;
if [ "\${up%.*}\${up#*.}" -ge "$end" ];then
[ -n "$3" ]&&echo 1 >"$3/cgroup.kill";kill -KILL "-$2";exit;fi
sleep 0.1;done`;

export function makeWatchdogs(
  machine: Machine,
  log: Log,
  find: (key: AttemptKey) => AttemptProcess | undefined,
): Watchdogs {
  const watched = new Set<string>();

  function fileOf({ exitFile }: AttemptProcess): string {
    return `${dirname(exitFile)}/lease`;
  }

  return {
    set(key, ms) {
      const process = find(key);
      if (!process?.root || process.hasEnded) return;
      const { root, group = '' } = process;
      const file = fileOf(process);
      writeFileSync(`${file}.new`, `${Math.floor(uptimeMs() / 10 + ms / 10)}\n`);
      renameSync(`${file}.new`, file);
      if (watched.has(key)) return;
      watched.add(key);
      const args = ['-c', WATCH, 'runyard-watchdog', file, String(root.pid), group];
      const child = spawn(machine.shell, args, { cwd: '/', detached: true, stdio: 'ignore' });
      child.on('error', (error) => log.error({ key, err: error.message }, 'no watchdog started'));
      child.unref();
    },
    clear(process) {
      if (watched.delete(process.key)) rmSync(fileOf(process), { force: true });
    },
  };
}

function uptimeMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
}
