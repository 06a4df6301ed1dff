import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { YardError, messageOf, quote } from '../../base/errors.ts';
import type { MessageOutcome } from '../../protocol/http.ts';
import type { Bind } from '../call.ts';
import type { CliHost } from '../host.ts';
import { oneLine } from '../sanitise.ts';

const EXAMPLES = `
Examples:
  runyard trigger send examples/messages/fedmsg-pungi.compose.status.change-FINISHED.json
  curl -s https://example.org/message.json | runyard trigger send -`;

export function addTrigger(parent: Command, bind: Bind): void {
  const trigger = parent
    .command('trigger')
    .description('messages that start runs')
    .addHelpText('after', EXAMPLES);
  trigger
    .command('send')
    .description("send one message through the master's triggers and rules")
    .argument('<file>', 'holds the message as JSON; - is standard input')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args, client, host, screen }) => {
        const message = await readMessage(args[0]!, host);
        screen.show(await client().sendMessage(message), outcomeText);
      }),
    );
}

/** Reads a message; it is JSON, and the master says whether it is one that it knows. */
export async function readMessage(file: string, host: CliHost): Promise<unknown> {
  const text = file === '-' ? await host.readInput() : await readText(file, host);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const name = file === '-' ? 'standard input' : quote(file);
    throw new YardError('message.json', `${name} is not JSON: ${oneLine(messageOf(cause))}`, {
      hint: 'see examples/messages',
      cause,
    });
  }
}

async function readText(file: string, { cwd }: CliHost): Promise<string> {
  try {
    return await readFile(resolve(cwd, file), 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new YardError('message.file', `${quote(file)} cannot be read: ${code}`, { cause });
  }
}

function outcomeText({ runs, job, matched, discarded }: MessageOutcome): string {
  const lines = [
    ...matched.map((rule) => `matched ${rule}`),
    ...discarded.map((why) => `discarded: ${why}`),
    ...runs.map((runId) => `run ${runId}`),
    runs.length === 0
      ? 'no run was started'
      : `${runs.length} ${runs.length === 1 ? 'run' : 'runs'} started${job === undefined ? '' : `, job ${job}`}; see "runyard run list"`,
  ];
  return lines.map((line) => `${oneLine(line)}\n`).join('');
}
