import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import { addAbort } from './run-abort.ts';
import { addHold, addRelease } from './run-hold.ts';
import { addList } from './run-list.ts';
import { addLogs } from './run-logs.ts';
import { addRerun } from './run-rerun.ts';
import { addShow } from './run-show.ts';
import { addWait } from './run-wait.ts';

const EXAMPLES = `
Examples:
  runyard run list --state RUNNING
  runyard run show last
  runyard run logs -f 01kq
  runyard run wait last; echo "ended with $?"`;

export function addRun(parent: Command, bind: Bind): void {
  const run = parent
    .command('run')
    .description('runs: see them, wait for them, stop them')
    .addHelpText('after', EXAMPLES);
  for (const add of [addList, addShow, addLogs, addAbort]) add(run, bind);
  for (const add of [addWait, addRerun, addHold, addRelease]) add(run, bind);
}
