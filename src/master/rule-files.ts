/** The file of rules, and the directories of the tasks that it names. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { YardError, quote } from '../base/errors.ts';
import { readRules } from '../trigger/rules.ts';
import { noSuchTask } from './messages.ts';
import type { BlobStore } from './store/port.ts';
import { bundleKey } from './submit.ts';

export interface PackedTask {
  id: string;
  open: () => AsyncIterable<Uint8Array>;
  close: () => Promise<void>;
}

export interface TaskPorts {
  /** Holds one directory for each task that the rules name. */
  tasks?: string | undefined;
  /** Packs a task's directory; given, since packing is the task room's. */
  packTask?: ((directory: string) => Promise<PackedTask>) | undefined;
}

export interface CheckedRules {
  file: string;
  rules: number;
  tasks: readonly string[];
}

/** Reads rules as a master would; with `tasks`, also whether each task that they name is there. */
export function checkRules(options: { rules: string; tasks?: string | undefined }): CheckedRules {
  const { file, count: rules, tasks } = readRulesFile(options.rules);
  const missing =
    options.tasks === undefined ? [] : tasks.filter((task) => !findTask(options.tasks, task));
  if (missing.length === 0) return { file, rules, tasks };
  const names = missing.map(quote).join(', ');
  throw new YardError('task.unknown', `the rules name ${names}, not in ${quote(options.tasks)}`, {
    hint: 'a task is a directory with a task.yml',
  });
}

export function readRulesFile(file: string) {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new YardError('config.rules', `cannot read ${file}`, { hint: 'see --rules', cause });
  }
  return readRules(text, { file });
}

/** The bundle of a task as it is now, put among the blobs where it is not yet. */
export async function bundleOf(
  { tasks, packTask }: TaskPorts,
  blobs: BlobStore,
  task: string,
): Promise<{ id: string; file: string }> {
  const found = findTask(tasks, task);
  if (!found || !packTask) throw noSuchTask(task);
  const packed = await packTask(found.directory);
  try {
    const held = await blobs.stat(bundleKey(packed.id));
    if (!held?.sealed) {
      await blobs.put(bundleKey(packed.id), packed.open(), { bytesMax: 2 ** 32 });
    }
    return { id: packed.id, file: found.file };
  } finally {
    await packed.close();
  }
}

function findTask(
  tasks: string | undefined,
  task: string,
): { directory: string; file: string } | undefined {
  if (tasks === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/.test(task)) return undefined;
  const directory = join(resolve(tasks), task);
  const file = ['task.yml', 'runtask.yml'].find((name) => existsSync(join(directory, name)));
  return file === undefined ? undefined : { directory, file };
}
