import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import { findRunIds } from '../select.ts';

const EXAMPLES = `
Examples:
  runyard run rerun last
  runyard run wait "$(runyard run rerun 01kq3s0c)"`;

export function addRerun(parent: Command, bind: Bind): void {
  parent
    .command('rerun')
    .description('request again what runs requested; prints the ids of the new runs')
    .argument('<id...>', 'runs')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args, client, screen }) => {
        const made = [];
        for (const runId of await findRunIds(client(), args)) {
          made.push(await client().rerun(runId));
        }
        screen.showAll(made, ({ runId }) => `${runId}\n`);
      }),
    );
}
