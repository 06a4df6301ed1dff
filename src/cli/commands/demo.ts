import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { sleep } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import { normalArch } from '../../protocol/run.ts';
import type { Bind, Call } from '../call.ts';
import { untilAsked } from '../daemon.ts';
import { demoIntroduction, demoResults, demoWhatNext, messageText } from '../demo-text.ts';
import { startFamily } from '../family.ts';
import { wholeNumber } from '../flags.ts';
import type { CliHost, Client } from '../host.ts';
import { showProgress } from '../progress.ts';
import { sanitise } from '../sanitise.ts';
import { readMessage } from './trigger-send.ts';

interface Flags {
  port: number;
  state: string;
  once?: true;
}

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
const MESSAGE = join(EXAMPLES, 'messages', 'fedmsg-pungi.compose.status.change-FINISHED.json');
const SLAVES_WITHIN_MS = 30_000;
const POLL_MS = 50;

export function addDemo(parent: Command, bind: Bind): void {
  parent
    .command('demo', { hidden: true })
    .description('a master and two slaves on this machine, and one message from a bus')
    .option('--port <port>', 'where the master listens; 0 takes any', wholeNumber(0, 65_535), 7070)
    .option('--state <dir>', 'where all of it is kept', './state')
    .option('--once', 'end when the job has; 0 if all of it went well, or else 1')
    .addHelpText('after', '\nExamples:\n  runyard demo\n  runyard demo --once --port 0')
    .action(bind<Flags>(perform));
}

/** What the slaves of the demo are called and run for: this machine's architecture and another. */
function demoSlaves() {
  const native = normalArch(process.arch);
  const other = native === 'aarch64' ? 'x86_64' : 'aarch64';
  return {
    native: { name: `demo-${native}`, arch: native, args: ['--log-level', 'warn'] },
    emulated: {
      name: `demo-${other}`,
      arch: other,
      args: ['--arch', other, '--label', 'emulated=true', '--log-level', 'warn'],
    },
  };
}

async function perform(call: Call<Flags>): Promise<number> {
  const { flags, host, screen } = call;
  if (flags.port !== 0) await checkPort(flags.port);
  const state = resolve(host.cwd, flags.state);
  const slaves = demoSlaves();
  const job = new AbortController();
  let status = 0;

  const asked = await untilAsked(host, async () => {
    const family = await startFamily(host, {
      master: masterArguments(state, flags.port),
      state,
      slaves: [slaves.native, slaves.emulated],
      needsToken: false,
      onLine: (label, line, stream) => {
        if (stream === 'stderr') host.stderr.print(`${label}: ${sanitise(line)}\n`);
      },
    });
    if ('status' in family) {
      status = family.status || 70;
      return { done: Promise.resolve(), leave: async () => {}, force: async () => {} };
    }
    const perish = family.ended.then(({ child, status: ended }) => {
      throw new YardError('internal.demo', `${child.label} ended with ${ended}`);
    });
    const done = Promise.race([performJob(call, family.url, state, job.signal), perish]).then(
      async (isGood) => {
        status = isGood ? 0 : 1;
        if (!flags.once) return perish;
        return family.leave('SIGTERM');
      },
    );
    return {
      done: done.finally(() => job.abort()),
      async leave(signal) {
        job.abort(signal);
        screen.tell('\nClosing: the slaves finish what runs. Ctrl-C again: at once.');
        await family.leave(signal);
      },
      force: family.force,
    };
  });
  return flags.once ? status || asked : asked || status;
}

function masterArguments(state: string, port: number): string[] {
  const rules = join(EXAMPLES, 'trigger_rules.yml');
  const data = ['--rules', rules, '--tasks', join(EXAMPLES, 'tasks')];
  return ['--state', state, '--port', String(port), ...data, '--log-level', 'warn'];
}

/** Sends the message, shows its runs until they are done; whether all went well. */
async function performJob(
  { host, screen, flags }: Call<Flags>,
  url: string,
  state: string,
  signal: AbortSignal,
): Promise<boolean> {
  const client = host.connect({ server: url });
  const { native, emulated } = demoSlaves();
  await untilOnline(client, [native.name, emulated.name], host, signal);
  const shownState = shownPath(state, host);
  screen.print(demoIntroduction(screen, { url, state: shownState, native, emulated }));

  const message = await readMessage(MESSAGE, host);
  const shownFile = shownPath(MESSAGE, host);
  screen.print(messageText(screen, shownFile, await readFile(MESSAGE, 'utf8')));
  const outcome = await client.sendMessage(message);
  for (const line of outcome.matched) screen.print(`  ${sanitise(line)}\n`);
  screen.print(`  ${outcome.runs.length} runs, job ${outcome.job ?? '-'}\n\n`);

  const runs = await showProgress(outcome.runs, { client, host, screen, signal });
  screen.print(await demoResults(screen, client, runs));
  const program = `node ${shownPath(host.program.at(-1)!, host)}`;
  screen.print(demoWhatNext(screen, { url, program, runs, stays: !flags.once }));
  return (
    runs.length > 0 &&
    runs.every(({ state: end, exitCode }) => end === 'COMPLETE' && exitCode === 0)
  );
}

/** As people here would type it. */
function shownPath(path: string, { cwd }: CliHost): string {
  const short = relative(cwd, path);
  return short.startsWith('..') ? path : short || '.';
}

async function untilOnline(
  client: Client,
  names: readonly string[],
  { clock }: CliHost,
  signal: AbortSignal,
): Promise<void> {
  const until = clock.now() + SLAVES_WITHIN_MS;
  for (;;) {
    const slaves = await client.listSlaves();
    const online = slaves.filter(({ state }) => state === 'ONLINE').map(({ name }) => name);
    if (names.every((name) => online.includes(name))) return;
    if (clock.now() >= until) {
      throw new YardError(
        'slave.absent',
        `of ${names.join(', ')} only [${online.join(', ')}] came`,
      );
    }
    await sleep(clock, POLL_MS, signal);
  }
}

/** Says who is there already, rather than that a port is in use. */
async function checkPort(port: number): Promise<void> {
  const url = `http://127.0.0.1:${port}`;
  let version: unknown;
  try {
    const answer = await fetch(`${url}/version`, { signal: AbortSignal.timeout(3000) });
    ({ version } = (await answer.json()) as { version?: unknown });
  } catch {
    // Nobody, or somebody else: the master says so when it cannot listen.
    return;
  }
  if (typeof version !== 'string') return;
  throw new YardError('net.listen', `a Runyard ${version} runs on port ${port} already`, {
    hint: `see ${url}, end it, or give another --port`,
  });
}
