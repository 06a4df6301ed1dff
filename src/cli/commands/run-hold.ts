import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import { findRunIds } from '../select.ts';
import { stateText } from '../watching.ts';

const EXAMPLES = `
Examples:
  runyard run hold 01kq3s0c --note "until the mirror is back"
  runyard run release 01kq3s0c`;

export function addHold(parent: Command, bind: Bind): void {
  parent
    .command('hold')
    .description('keep runs that wait from starting')
    .argument('<id...>', 'runs')
    .option('--note <text>', 'why', '')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<{ note: string }>(async ({ args, flags, client, screen }) => {
        const changed = [];
        for (const runId of await findRunIds(client(), args)) {
          changed.push(await client().holdRun(runId, flags.note));
        }
        screen.showAll(changed, (run) => `${run.runId} ${stateText(run)}\n`);
      }),
    );
}

export function addRelease(parent: Command, bind: Bind): void {
  parent
    .command('release')
    .description('let held runs start')
    .argument('<id...>', 'runs')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args, client, screen }) => {
        const changed = [];
        for (const runId of await findRunIds(client(), args)) {
          changed.push(await client().releaseRun(runId));
        }
        screen.showAll(changed, (run) => `${run.runId} ${stateText(run)}\n`);
      }),
    );
}
