import type { Command } from 'commander';
import { nearest } from '../../base/errors.ts';
import { RUN_STATES } from '../../protocol/run.ts';
import type { RunState } from '../../protocol/run.ts';
import { usageError } from '../call.ts';
import type { Bind } from '../call.ts';
import { wholeNumber } from '../flags.ts';
import { listRunStatuses } from '../run-text.ts';

const EXAMPLES = `
Examples:
  runyard run list
  runyard run list --state FAILED,TIMEDOUT --limit 200
  runyard run list --slave build-3 -o jsonl | jq -r .runId`;

interface Flags {
  state?: string;
  slave?: string;
  job?: string;
  name?: string;
  limit: number;
  before?: string;
}

export function addList(parent: Command, bind: Bind): void {
  parent
    .command('list')
    .alias('ls')
    .description('list runs, newest first')
    .option('--state <states>', `with commas: ${RUN_STATES.join(', ')}`)
    .option('--slave <name>', 'only those on this slave')
    .option('--job <id>', 'only those of this job')
    .option('--name <text>', 'only those with this in their name')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 1000), 50)
    .option('--before <id>', 'only runs older than this one')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<Flags>(async ({ flags, host, client, screen }) => {
        const { state, slave, job, name, limit, before } = flags;
        const query = {
          limit,
          ...(state === undefined ? {} : { state: state.split(',').map(readState) }),
          ...(slave === undefined ? {} : { slave }),
          ...(job === undefined ? {} : { job }),
          ...(name === undefined ? {} : { name }),
          ...(before === undefined ? {} : { before }),
        };
        listRunStatuses(screen, await client().listRuns(query), host.clock.wall());
      }),
    );
}

function readState(text: string): RunState {
  const state = RUN_STATES.find((known) => known === text.trim().toUpperCase());
  if (state) return state;
  const near = nearest(text, RUN_STATES);
  const hint = near === undefined ? `known: ${RUN_STATES.join(', ')}` : `did you mean ${near}?`;
  throw usageError(`state '${text}' is unknown`, hint);
}
