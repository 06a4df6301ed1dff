import type { Command } from 'commander';
import type { HistoryEvent } from '../../protocol/http.ts';
import type { Bind } from '../call.ts';
import { HISTORY_COLUMNS, historyText, runText } from '../run-text.ts';
import { findRunIds } from '../select.ts';

const EXAMPLES = `
Examples:
  runyard run show last
  runyard run show 01kq3s0c -o json
  runyard run show last --history -o jsonl`;

export function addShow(parent: Command, bind: Bind): void {
  parent
    .command('show')
    .description('show runs: where each stands, how it came there, what it left')
    .argument('<id...>', 'runs')
    .option('--history', 'only the events, in their order')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<{ history?: true }>(async ({ args, flags, host, client, screen }) => {
        const { paint, format } = screen;
        const runIds = await findRunIds(client(), args);
        if (flags.history) {
          const events = await Promise.all(runIds.map((runId) => client().history(runId)));
          return screen.list(events.flat(), HISTORY_COLUMNS, 'no events');
        }
        const runs = await Promise.all(runIds.map((runId) => client().getRun(runId)));
        const histories = new Map<string, HistoryEvent[]>();
        for (const runId of format === 'table' ? runIds : []) {
          histories.set(runId, await client().history(runId));
        }
        screen.showAll(runs, (run) => {
          const gap = run === runs[0] ? '' : '\n';
          const events = historyText(histories.get(run.runId) ?? [], host.stdout.columns);
          return `${gap}${runText(run, host.clock.wall(), paint)}\n${events}`;
        });
      }),
    );
}
