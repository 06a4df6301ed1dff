import { readFileSync } from 'node:fs';
import type { Isolation } from '../../protocol/run.ts';
import type { AttemptKey, ProcessEvents } from '../ports.ts';
import { type ExitRecord, parseExitFile } from './exit-file.ts';
import type { Lane } from './lane.ts';
import type { TreeRoot } from './process-tree.ts';

/** What the executor knows of one attempt, from its start until it is settled. */
export interface AttemptProcess {
  readonly key: AttemptKey;
  readonly isolation: Isolation;
  /** The directory of its control group, if it has one. */
  group: string | undefined;
  readonly exitFile: string;
  readonly on: ProcessEvents;
  /** The lane that runs it, while that lane lives and is ours. */
  lane: Lane | undefined;
  /** Names its lane's session and group, also when the lane is gone. */
  root: TreeRoot | undefined;
  hasEnded: boolean;
  /** Its lane may serve another attempt now. */
  isSettled: boolean;
  /** Set once SIGKILL was asked for; resolves when its tree is empty. */
  killed: Promise<void> | undefined;
}

export function makeAttemptProcess(
  fixed: Pick<AttemptProcess, 'key' | 'isolation' | 'group' | 'exitFile' | 'on'>,
  root?: TreeRoot,
): AttemptProcess {
  return { lane: undefined, root, hasEnded: false, isSettled: false, killed: undefined, ...fixed };
}

export function readExitRecord({
  exitFile,
  key,
}: Pick<AttemptProcess, 'exitFile' | 'key'>): ExitRecord {
  let text = '';
  try {
    text = readFileSync(exitFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return parseExitFile(text, key);
}
