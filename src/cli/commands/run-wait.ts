import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import { exitStatusOfAll } from '../exit-status.ts';
import { findRunIds } from '../select.ts';
import { waitForRun } from '../wait.ts';
import { endLine, untilStopped } from '../watching.ts';

const EXAMPLES = `
Examples:
  runyard run wait last
  runyard run wait 01kq3s0c 01kq3s1d -o jsonl

Exits as the run did: its own code, 124 timed out, 125 FAILED, 130 aborted; with several runs as the
first of them that did not end well.`;

export function addWait(parent: Command, bind: Bind): void {
  parent
    .command('wait')
    .description('wait until runs are done, and exit as they did')
    .argument('<id...>', 'runs')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async (call) => {
        const { args, client, screen } = call;
        const runIds = await findRunIds(client(), args);
        for (const runId of runIds) await client().getRun(runId);
        return untilStopped(call, runIds, async (waiting) => {
          const ended = await Promise.all(runIds.map((runId) => waitForRun(runId, waiting)));
          screen.showAll(ended, (run) => `${endLine(run)}\n`);
          return exitStatusOfAll(ended);
        });
      }),
    );
}
