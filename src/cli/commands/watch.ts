import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { HistoryEvent } from '../../protocol/http.ts';
import type { Bind } from '../call.ts';
import { detailText } from '../run-text.ts';
import { oneLine, safeJson } from '../sanitise.ts';
import { findRunId } from '../select.ts';
import { colourOf } from '../screen.ts';
import type { Screen } from '../screen.ts';

const EXAMPLES = `
Examples:
  runyard watch
  runyard watch -o jsonl | jq -r 'select(.state == "FAILED") | .runId'
  runyard watch --run last
  runyard watch --ends --since 0 -o jsonl > ends.jsonl

Beside a terminal it prints a line of JSON each. --since takes the "seq" that was seen last, and
misses nothing; a master that restarts is waited for. Ctrl-C ends it.`;

interface Flags {
  run?: string;
  since?: number;
  ends?: true;
}

export function addWatch(parent: Command, bind: Bind): void {
  parent
    .command('watch')
    .description('print the events of runs as they happen')
    .option('--run <id>', 'only of this run')
    .option('--since <seq>', 'begin after the event of that number; 0: with the first', readSeq)
    .option('--ends', 'only the events with which runs end')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<Flags>(async ({ flags, client, host, screen }) => {
        const { run, since, ends } = flags;
        const query = {
          ...(run === undefined ? {} : { run: await findRunId(client(), run) }),
          ...(since === undefined ? {} : { since }),
          ...(ends === undefined ? {} : { ends }),
        };
        const given = new AbortController();
        const stopListening = host.onStop(() => given.abort());
        const isForPeople = screen.format === 'table' && host.stdout.isTerminal;
        try {
          for await (const event of client().watch(query, given.signal)) {
            screen.print(isForPeople ? lineOf(event, screen) : `${safeJson(event)}\n`);
          }
        } finally {
          stopListening();
        }
      }),
    );
}

function readSeq(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write the number of an event.');
}

function lineOf({ at, runId, type, state, by, detail }: HistoryEvent, { paint }: Screen): string {
  const stands = paint(colourOf(state), state.padEnd(18));
  const rest = oneLine(`${type} by ${by} ${detailText(detail)}`);
  return `${at.slice(11, 23)}  ${runId}  ${stands}  ${rest}\n`;
}
