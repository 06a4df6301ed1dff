import { Option } from 'commander';
import type { Command } from 'commander';
import { nearest } from '../../base/errors.ts';
import { RUN_STATES } from '../../protocol/run.ts';
import type { RunState } from '../../protocol/run.ts';
import { usageError } from '../call.ts';
import type { Bind } from '../call.ts';
import { ago, several, wholeNumber } from '../flags.ts';
import { listRunStatuses } from '../run-text.ts';

const EXAMPLES = `
Examples:
  runyard run list
  runyard run list --state FAILED,TIMEDOUT --limit 200
  runyard run list --since 7d --text timeout
  runyard run list --since 12h --ended badly
  runyard run list --since 2026-11-21 -o jsonl | jq -r .runId

--text looks into ids, names, requestors, slaves, reasons and errors, whatever the case.`;

const LIMIT = 50;
/** Of a time: all of it, but for what nobody meant. */
const LIMIT_SINCE = 10_000;

interface Flags {
  state?: string;
  slave?: string;
  job?: string;
  name?: string;
  ended?: 'well' | 'badly';
  since?: (wallMs: number) => string;
  text?: readonly string[];
  limit?: number;
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
    .addOption(
      new Option('--ended <how>', 'well: COMPLETE with exit code 0; badly: any other end').choices([
        'well',
        'badly',
      ]),
    )
    .option('--since <when>', 'only those made since then: 12h, 7d, 2026-11-21, an instant', ago)
    .option('--text <text>', 'only those that say this somewhere; again and again', several)
    .option(
      '--limit <n>',
      `at most so many (default: ${LIMIT}; with --since ${LIMIT_SINCE})`,
      wholeNumber(1, 1_000_000),
    )
    .option('--before <id>', 'only runs older than this one')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<Flags>(async ({ flags, host, client, screen }) => {
        const { state, slave, job, name, ended, since, text, before } = flags;
        const { limit = since ? LIMIT_SINCE : LIMIT } = flags;
        const wallMs = host.clock.wall();
        const query = {
          ...(state === undefined ? {} : { state: state.split(',').map(readState) }),
          ...(slave === undefined ? {} : { slave }),
          ...(job === undefined ? {} : { job }),
          ...(name === undefined ? {} : { name }),
          ...(ended === undefined ? {} : { ended }),
          ...(since === undefined ? {} : { since: since(wallMs) }),
          ...(text === undefined ? {} : { text }),
          ...(before === undefined ? {} : { before }),
        };
        const { runs, isCut } = await client().findRuns(query, limit);
        listRunStatuses(screen, runs, wallMs);
        if (isCut) {
          const older = `--before ${runs.at(-1)!.runId} for older ones`;
          screen.tell(`there are more than these ${limit}: --limit N for more, ${older}`);
        }
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
