/** What the demo says on its screen. */
import { parseMessageFacts } from './message-facts.ts';
import type { RunStatus } from '../protocol/run.ts';
import type { Client } from './host.ts';
import { oneLine, sanitise } from './sanitise.ts';
import { colourOf } from './screen.ts';
import type { Screen } from './screen.ts';
import { formatFields } from './table.ts';
import { stateText } from './watching.ts';

interface Place {
  url: string;
  state: string;
  native: { name: string; arch: string };
  emulated: { name: string; arch: string };
}

export function demoIntroduction(screen: Screen, { url, state, native, emulated }: Place): string {
  const { paint } = screen;
  return `${paint('bold', 'Runyard: one master, two slaves, one message')}\n\n${formatFields([
    ['  master', `${paint('cyan', url)}, state in ${state}`],
    ['  slave', `${native.name}: ${native.arch}, which this machine is`],
    [
      '  slave ',
      `${emulated.name}: says that it is ${emulated.arch} (label emulated=true), and is not`,
    ],
  ])}\n`;
}

/** What the message is, for those who have never seen one. */
export function messageText({ paint }: Screen, file: string, text: string): string {
  const { topic, compose, status, location, at } = parseMessageFacts(text);
  return `${paint('bold', 'A message, as it came over the bus of Fedora')}\n\n${formatFields([
    ['  file', file],
    ['  topic', topic && oneLine(topic)],
    ['  says', `compose ${oneLine(compose ?? '?')} is ${oneLine(status ?? '?')}`],
    ['  sent', at],
    ['  images', location && oneLine(location)],
  ])}\n${paint('bold', 'What the rules make of it')}\n\n`;
}

/** The TAP that each run ended its standard output with. */
export async function demoResults(
  { paint }: Screen,
  client: Client,
  runs: readonly RunStatus[],
): Promise<string> {
  const parts = [`\n${paint('bold', 'What each run found (TAP 13)')}\n`];
  for (const run of runs) {
    const { runId, name, state, exitCode, reason, error, slave } = run;
    const ended = reason === undefined ? '' : `, ${reason}`;
    const where = slave === undefined ? '' : ` on ${slave}`;
    const title = oneLine(
      `${name ?? runId}${where}${ended}${error === undefined ? '' : `: ${error}`}`,
    );
    parts.push(`\n${paint(colourOf(state, exitCode), stateText(run))}  ${title}\n`);
    const tap = tapOf(await outputOf(client, run));
    parts.push(tap === undefined ? '  (no TAP)\n' : tap.replaceAll(/^(?=.)/gm, '  '));
  }
  return parts.join('');
}

async function outputOf(client: Client, run: RunStatus): Promise<string> {
  if (run.stdoutRef === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  const options = { follow: false, attempt: run.attempt };
  for await (const bytes of client.followOutput(run.runId, 'stdout', options)) {
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

/** From the last line that starts a TAP document to the end. */
export function tapOf(output: string): string | undefined {
  const at = `\n${output}`.lastIndexOf('\nTAP version 13');
  if (at === -1) return undefined;
  return `${sanitise(output.slice(at)).trimEnd()}\n`;
}

interface Next {
  url: string;
  program: string;
  runs: readonly RunStatus[];
  stays: boolean;
}

export function demoWhatNext({ paint }: Screen, { url, program, runs, stays }: Next): string {
  const isDefault = url === 'http://127.0.0.1:7070';
  const server = isDefault ? '' : `  export RUNYARD_SERVER=${url}\n`;
  const [first] = runs;
  const id = first?.runId ?? 'last';
  const lines = formatFields([
    [`  ${program} run list`, 'all runs'],
    [`  ${program} run show ${id}`, 'how one came where it is'],
    [`  ${program} run logs ${id}`, 'what it wrote'],
    [`  ${program} slave list`, 'the slaves'],
    [`  ${program} submit --follow -- uname -a`, 'a run of your own'],
    [`  ${url}/`, 'the page: all of it to look at'],
    [`  ${url}/api/runs/${id}`, 'one run as JSON'],
  ]);
  const stay = stays ? `\nThe master and its slaves stay up. Ctrl-C ends them.\n` : '';
  return `\n${paint('bold', 'Where to look next')}\n\n${server}${lines}${stay}`;
}
