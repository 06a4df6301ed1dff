import type { Assignment } from '../protocol/to-slave.ts';
import type { Workspace } from './ports.ts';

export interface CommandOptions {
  slave: string;
  arch: string;
  master: string;
  /** argv of the program that performs a formula. */
  runtask: readonly string[];
  /** For programs to be found and text to be read; nothing else of the slave's own. */
  base: Readonly<Record<string, string>>;
}

/** The process and its whole environment, from scratch (secops.md S19; peers.md part 5). */
export function commandOf(assignment: Assignment, workspace: Workspace, options: CommandOptions) {
  const { runId, attempt, formula, argv } = assignment;
  const env: Record<string, string> = {
    HOME: workspace.cwd,
    ...options.base,
    ...assignment.env,
    CI: 'true',
    RUNYARD: '1',
    RUNYARD_RUN: runId,
    RUNYARD_ATTEMPT: `${runId}.${attempt}`,
    RUNYARD_ATTEMPT_NUMBER: String(attempt),
    RUNYARD_SLAVE: options.slave,
    RUNYARD_ARCH: options.arch,
    RUNYARD_MASTER: options.master,
    RUNYARD_WORKDIR: workspace.cwd,
    RUNYARD_ARTIFACTS_DIR: workspace.artifactsDir,
  };
  if (!formula) return { argv: argv!, env };
  const { file, item, itemType } = formula;
  const flags = ['-t', itemType, '-i', item, '-a', options.arch, '-j', runId, '--uuid', runId];
  return { argv: [...options.runtask, ...flags, '--', file], env };
}
