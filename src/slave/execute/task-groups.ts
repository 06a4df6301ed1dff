/** A control group for each attempt: nothing leaves it by forking, and one write kills it all. */
import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { AttemptProcess } from './attempt-process.ts';
import type { Machine } from './machine.ts';
import { type LiveProcess, findProcess } from './process-tree.ts';

/** Groups go by their directories: they outlive the slave's process, as the attempts do. */
export interface TaskGroups {
  /**
   * Makes one for it: where that is asked for, and where else only a look at every process would
   * find what it leaves behind. Answers why it cannot be started, if it cannot.
   */
  give: (process: AttemptProcess) => string | undefined;
  /** Its live processes, those of groups inside it too, oldest first. */
  find: (group: string) => LiveProcess[];
  /** Kills all of it at once, whatever forks meanwhile. */
  kill: (group: string) => void;
  remove: (process: AttemptProcess) => void;
}

/** The last of a killed group may be seen in it for a moment after its end was told. */
const REMOVE_TRIES = 8;

export function makeTaskGroups(machine: Machine, clock: Clock, log: Log): TaskGroups {
  const isBetter = machine.subreaper.length === 0 && machine.cgroup !== undefined;

  function remove(group: string, tries = 0): void {
    try {
      removeNow(group);
    } catch (error) {
      if (tries < REMOVE_TRIES) clock.setTimeout(() => remove(group, tries + 1), 2 ** tries);
      else log.warn({ group, error: messageOf(error) }, 'a control group cannot be removed');
    }
  }

  return {
    give(process) {
      const isAsked = process.isolation === 'cgroup';
      if (!isAsked && !(isBetter && process.isolation === 'none')) return undefined;
      const group = join(machine.cgroup!, `runyard-${process.key}`);
      try {
        // It may be there: an earlier process of this slave was killed before it removed it.
        mkdirSync(group, { recursive: true });
        process.group = group;
      } catch (error) {
        if (isAsked) return `could not exec: no control group: ${messageOf(error)}`;
        log.warn({ error: messageOf(error) }, 'no control group can be made');
      }
      return undefined;
    },
    find: (group) => processesIn(group).toSorted(byAge),
    kill: (group) => unlessGone(() => writeFileSync(join(group, 'cgroup.kill'), '1'), undefined),
    remove({ group }) {
      if (group !== undefined) remove(group);
    },
  };
}

function processesIn(group: string): LiveProcess[] {
  const text = unlessGone(() => readFileSync(join(group, 'cgroup.procs'), 'utf8'), '');
  const own = text.split('\n').filter(Boolean).map(Number).map(findProcess);
  const live = own.filter((found) => found !== undefined);
  return [...live, ...groupsIn(group).flatMap(processesIn)];
}

function groupsIn(group: string): string[] {
  return unlessGone(() => readdirSync(group, { withFileTypes: true }), [])
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(group, name));
}

function removeNow(group: string): void {
  groupsIn(group).forEach(removeNow);
  unlessGone(() => rmdirSync(group), undefined);
}

function byAge(a: LiveProcess, b: LiveProcess): number {
  return Number(BigInt(a.startTime) - BigInt(b.startTime)) || a.pid - b.pid;
}

/** ENODEV is what a read says of a group that was removed meanwhile. */
function unlessGone<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV') return otherwise;
    throw error;
  }
}
