import type { Command } from 'commander';
import type { WhyAnswer } from '../../protocol/http.ts';
import type { Bind } from '../call.ts';
import { oneLine } from '../sanitise.ts';
import { findRunId } from '../select.ts';
import { formatTable } from '../table.ts';

const EXAMPLES = `
Examples:
  runyard why last
  runyard why 01kq -o json`;

export function addWhy(parent: Command, bind: Bind): void {
  parent
    .command('why')
    .description(
      'say why a run does not start: which slave refuses it for what, and what would help',
    )
    .argument('<id>', 'a run')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args, client, screen }) => {
        const answer = await client().why(await findRunId(client(), args[0]!));
        screen.show(answer, whyText);
      }),
    );
}

function whyText({ runId, verdict, summary, remedy, slaves, decisions }: WhyAnswer): string {
  const lines = [oneLine(`${runId} ${verdict}: ${summary}`)];
  if (remedy !== undefined) lines.push(oneLine(`remedy: ${remedy}`));
  const text = `${lines.join('\n')}\n`;
  return text + slaveTable(slaves) + decisionTable(decisions);
}

function slaveTable(slaves: WhyAnswer['slaves']): string {
  if (slaves.length === 0) return '';
  const columns = [
    { title: 'SLAVE', text: ({ name }: (typeof slaves)[number]) => name },
    { title: 'PREDICATE', text: ({ predicate }: (typeof slaves)[number]) => predicate },
    { title: 'DETAIL', text: ({ detail }: (typeof slaves)[number]) => detail },
  ];
  return `\n${formatTable(columns, slaves)}`;
}

function decisionTable(decisions: WhyAnswer['decisions']): string {
  if (decisions.length === 0) return '';
  const columns = [
    { title: 'AT', text: ({ at }: (typeof decisions)[number]) => at },
    { title: 'VERDICT', text: ({ verdict }: (typeof decisions)[number]) => verdict },
    { title: 'SUMMARY', text: ({ summary }: (typeof decisions)[number]) => summary },
  ];
  return `\n${formatTable(columns, decisions)}`;
}
