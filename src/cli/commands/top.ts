import type { Command } from 'commander';
import { sleep } from '../../base/clock.ts';
import { isYardError } from '../../base/errors.ts';
import type { Bind, Call } from '../call.ts';
import { usageError } from '../call.ts';
import { wholeNumber } from '../flags.ts';
import type { Client, Terminal } from '../host.ts';
import { openDisplay } from '../top/display.ts';
import { keysIn, press } from '../top/keys.ts';
import { chosenRun, drawTop, printTop } from '../top/view.ts';
import type { Choice, Yard } from '../top/view.ts';

const EXAMPLES = `
Examples:
  runyard top
  runyard top --once
  runyard top --once -o json | jq .cluster.runs

Keys: j k or arrows choose a run, g G the first and last; Enter shows what it writes, Esc goes back;
/ shows only runs with these words in id, state, slave or name; a aborts, after a question; q quits.`;

interface Flags {
  once?: true;
  limit: number;
}

const REFRESH_MS = 1_000;
const LOG_BYTES = 16 * 1024;

export function addTop(parent: Command, bind: Bind): void {
  parent
    .command('top')
    .description('watch slaves, runs and what a run writes, on one screen')
    .option('--once', 'print it once, without a screen')
    .option('--limit <n>', 'the newest so many runs', wholeNumber(1, 1000), 200)
    .addHelpText('after', EXAMPLES)
    .action(
      bind<Flags>(async (call) => {
        const { flags, host, screen } = call;
        const { terminal } = host;
        if (flags.once || screen.format !== 'table') {
          const { cluster, slaves, runs, ...yard } = await look(call);
          const print = () =>
            printTop({ cluster, slaves, runs, ...yard }, host.stdout.columns, screen.paint);
          return screen.show({ cluster, slaves, runs }, print);
        }
        if (!terminal) throw usageError('top needs a terminal', 'write top --once for a pipe');
        return runTop(call, terminal);
      }),
    );
}

/** Everything but the log. */
async function look({ client, flags, host }: Call<Flags>): Promise<Yard> {
  const [cluster, slaves, runs] = await Promise.all([
    client().cluster(),
    client().listSlaves(),
    client().listRuns({ limit: flags.limit }),
  ]);
  return { server: flags.server, cluster, slaves, runs, log: '', wallMs: host.clock.wall() };
}

async function runTop(call: Call<Flags>, terminal: Terminal): Promise<void> {
  const { host, screen } = call;
  const given = new AbortController();
  let yard = await look(call);
  let choice: Choice = { filter: '', mode: 'browse' };
  let wake = () => {};
  const display = openDisplay(host.stdout.print);
  const draw = () => display.draw(drawTop(yard, choice, terminal.size(), screen.paint));

  const undo = [
    host.onStop(() => given.abort()),
    terminal.onKeys((text) => {
      for (const key of keysIn(text)) {
        const pressed = press(key, choice, yard);
        choice = pressed.choice;
        if (pressed.wish === 'quit') given.abort();
        if (pressed.wish === 'abort') void abort();
      }
      draw();
      wake();
    }),
    terminal.onResize(() => {
      display.reset();
      draw();
    }),
  ];

  async function abort(): Promise<void> {
    const runId = choice.runId!;
    const tell = (notice: string) => {
      choice = { ...choice, notice };
      draw();
    };
    try {
      const { state } = await call.client().abortRun(runId, 'from runyard top');
      tell(`${runId} is ${state}`);
    } catch (error) {
      if (!isYardError(error)) throw error;
      tell(error.message);
    }
  }

  try {
    while (!given.signal.aborted) {
      yard = await refresh(call, yard, choice);
      draw();
      const pause = new AbortController();
      wake = () => pause.abort();
      const signal = AbortSignal.any([given.signal, pause.signal]);
      await sleep(host.clock, REFRESH_MS, signal).catch(() => undefined);
    }
  } finally {
    for (const back of undo) back();
    display.leave();
  }
}

/** What could not be asked stays as it was, and says so. */
async function refresh(call: Call<Flags>, before: Yard, choice: Choice): Promise<Yard> {
  try {
    const yard = await look(call);
    return { ...yard, log: await logOf(call.client(), yard, choice) };
  } catch (error) {
    if (!isYardError(error)) throw error;
    return { ...before, trouble: error.message };
  }
}

async function logOf(client: Client, yard: Yard, choice: Choice): Promise<string> {
  const run = chosenRun(yard, choice);
  if (run?.stdoutRef === undefined) return '';
  try {
    return new TextDecoder().decode(await client.tailOutput(run.runId, 'combined', LOG_BYTES));
  } catch (error) {
    // Nothing was written yet, or it is there no more.
    if (isYardError(error) && error.code.startsWith('output.')) return '';
    throw error;
  }
}
