import type { RunStatus } from '../protocol/run.ts';

/** What `--wait` exits with for a run that is done; scripts rely on each of these. */
export const EXIT = { usage: 64, timedOut: 124, infrastructure: 125, aborted: 130 } as const;

/**
 * The task's own exit code (128+n for a signal) where it ran to its end; else what other programs
 * answer in the same case: timeout(1), docker run, a shell after Ctrl-C.
 */
export function exitStatusOf({ state, exitCode }: RunStatus): number {
  switch (state) {
    case 'COMPLETE':
      return exitCode ?? EXIT.infrastructure;
    case 'TIMEDOUT':
      return EXIT.timedOut;
    case 'ABORTED':
      return EXIT.aborted;
    case 'PENDING':
    case 'RUNNING':
    case 'FAILED':
    case 'UNKNOWN':
      return EXIT.infrastructure;
  }
}

/** Of several runs, that of the first which did not end well. */
export function exitStatusOfAll(runs: readonly RunStatus[]): number {
  return runs.map(exitStatusOf).find((code) => code !== 0) ?? 0;
}
