import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import { findRunIds } from '../select.ts';
import { endLine } from '../watching.ts';

const EXAMPLES = `
Examples:
  runyard run abort last --why "wrong branch"
  runyard run abort 01kq3s0c 01kq3s1d

A run that waits never starts; of one that runs the process tree gets SIGTERM, and SIGKILL after the
run's grace. The answer is how the run ended, which may be well if it was faster. Exit status 0.`;

export function addAbort(parent: Command, bind: Bind): void {
  parent
    .command('abort')
    .description('abort runs, and wait until they are done')
    .argument('<id...>', 'runs')
    .option('--why <text>', 'kept in the history', '')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<{ why: string }>(async ({ args, flags, client, screen }) => {
        const runIds = await findRunIds(client(), args);
        const aborted = runIds.map((runId) => client().abortRun(runId, flags.why));
        screen.showAll(await Promise.all(aborted), (run) => `${endLine(run)}\n`);
      }),
    );
}
