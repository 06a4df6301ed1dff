import type { Command } from 'commander';
import { Option } from 'commander';
import { STREAMS } from '../../protocol/outputs.ts';
import type { Stream } from '../../protocol/outputs.ts';
import type { Bind } from '../call.ts';
import { wholeNumber } from '../flags.ts';
import type { Client } from '../host.ts';
import { makeLineTimes } from '../line-times.ts';
import { findRunId } from '../select.ts';
import { followRun } from '../wait.ts';
import type { Sink } from '../wait.ts';
import { makeSink, untilStopped } from '../watching.ts';

const EXAMPLES = `
Examples:
  runyard run logs last
  runyard run logs -f 01kq
  runyard run logs -t last
  runyard run logs last --stream stdout --raw > out.bin

Control sequences other than colours are taken out, and returns become ends of lines; --raw prints
what was written, byte for byte.

Times are in UTC, by the clock of the master: when the line began to reach it, some tenths of a
second after it was written.`;

interface Flags {
  stream: Stream;
  follow?: true;
  attempt?: number;
  raw?: true;
  timestamps?: true;
}

export function addLogs(parent: Command, bind: Bind): void {
  parent
    .command('logs')
    .description('print what a run wrote')
    .argument('<id>', 'a run')
    .addOption(new Option('--stream <stream>', 'which of it').choices(STREAMS).default('combined'))
    .option('-f, --follow', 'until the run is done, whatever attempts it takes')
    .option('--attempt <n>', 'of this attempt (default: the last)', wholeNumber(1, 1_000_000))
    .option('--raw', 'byte for byte')
    .option('-t, --timestamps', 'begin each line with when it was written')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<Flags>(async (call) => {
        const { args, flags, host } = call;
        const client = call.client();
        const runId = await findRunId(client, args[0]!);
        const run = await client.getRun(runId);
        const { sink: show, end } = makeSink(call, host.stdout, flags.raw ?? false);
        const sink = flags.timestamps ? withTimes(client, runId, flags, show) : show;
        if (flags.follow && flags.attempt === undefined) {
          return untilStopped(call, [runId], async (waiting) => {
            await followRun(runId, { [flags.stream]: sink }, waiting);
            end();
            return 0;
          });
        }
        const attempt = flags.attempt ?? run.attempt;
        if (attempt === 0) {
          call.screen.say(`run ${runId} has not been tried yet`);
          return 0;
        }
        const options = { attempt, follow: flags.follow ?? false };
        for await (const bytes of client.followOutput(runId, flags.stream, options)) {
          await sink(bytes, attempt);
        }
        end();
        return 0;
      }),
    );
}

function withTimes(
  client: Client,
  runId: string,
  { stream, follow, raw }: Flags,
  show: (bytes: Uint8Array) => void,
): Sink {
  let shown = 0;
  let stamp: ReturnType<typeof makeLineTimes>;
  return async (bytes, attempt) => {
    if (attempt !== shown) {
      const ask = (from: number) => client.outputTimes(runId, stream, { attempt, from });
      stamp = makeLineTimes({ ask, grows: follow ?? false, hasReturns: !raw });
      shown = attempt;
    }
    show(await stamp(bytes));
  };
}
