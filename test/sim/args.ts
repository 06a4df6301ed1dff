/** The arguments of `npm run sim`. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { YardError, messageOf } from '../../src/base/errors.ts';
import type { PlayOptions } from './play.ts';
import type { Profile } from './scenario.ts';

export const HELP = `usage: npm run sim -- --seed N | --seeds A..B | --scenario FILE [options]

Plays master, slaves and clients in a simulated world: one seed decides all that happens. Ends
with status 0 if nothing was wrong, 1 if an oracle found something, 64 if the arguments are wrong.

What to play:
  --seed N           one seed
  --seeds A..B       all seeds from A to B; one in twenty is played twice and compared
  --scenario FILE    a scenario that was saved
  --profile P        calm, master (faults of the master only) or everything; default: drawn
  --slaves N         that many slaves; default: drawn
  --runs N           that many runs; default: drawn
  --commit C         with the code of that commit
  --twice            play every seed twice: equal, and without a use of the real world
  --keep-going       go on after a seed that fails
  --all              in a seed that fails, go on after what was found first
  --workers N        processes; default: one for each processor. The result does not depend on it

What to do with a failure:
  --timeline         a line for everything that happened
  --beats            with --timeline: heartbeats and their answers too
  --shrink           leave out faults, runs and slaves that it does not need
  --save FILE        write the scenario, shrunk or not; kept in test/sim/regressions, the tests
                     play it

  --hits             with -o json: how often each kind of fault struck a run in which state, and
                     after which message
  -o text|json       lines for people, or one JSON value
  --help

Examples:
  npm run sim -- --seeds 1..10000
  npm run sim -- --seed 42 --timeline | less
  npm run sim -- --seed 42 --shrink --save test/sim/regressions/lost-result.json
  npm run sim -- --scenario test/sim/regressions/lost-result.json --timeline
  npm run sim -- --seeds 1..200 --profile master --keep-going -o json`;

export interface SimArgs extends PlayOptions {
  help: boolean;
  from: number;
  to: number;
  scenario: string | undefined;
  workers: number;
  keepsGoing: boolean;
  timeline: boolean;
  beats: boolean;
  shrink: boolean;
  save: string | undefined;
  isJson: boolean;
}

const PROFILES: readonly string[] = ['calm', 'master', 'everything'] satisfies Profile[];
/** Below it, starting processes takes longer than they save. */
const ALONE_MAX = 100;

export function readArgs(args: string[]): SimArgs {
  const values = parse(args);
  const [from, to] = rangeOf(values);
  const only = from === to;
  const { profile, scenario, save } = values;
  const takes = values.timeline === true || values.shrink === true || save !== undefined;
  if (takes && !only && scenario === undefined) {
    throw wrong('--timeline, --shrink and --save are about one seed', 'give --seed N');
  }
  if (profile !== undefined && !PROFILES.includes(profile)) {
    throw wrong(`--profile ${profile} is none of ${PROFILES.join(', ')}`);
  }
  const workers = numberOf(values.workers, '--workers');
  return {
    help: values.help === true,
    from,
    to,
    scenario,
    profile: profile as Profile | undefined,
    slaves: numberOf(values.slaves, '--slaves'),
    runs: numberOf(values.runs, '--runs'),
    twice: values.twice === true,
    all: values.all === true,
    hits: values.hits === true,
    keepsGoing: values['keep-going'] === true,
    workers: workers ?? (to - from < ALONE_MAX ? 1 : availableParallelism()),
    timeline: values.timeline === true,
    beats: values.beats === true,
    shrink: values.shrink === true,
    save,
    isJson: values.output === 'json',
  };
}

function parse(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string' },
        scenario: { type: 'string' },
        profile: { type: 'string' },
        slaves: { type: 'string' },
        runs: { type: 'string' },
        workers: { type: 'string' },
        timeline: { type: 'boolean' },
        beats: { type: 'boolean' },
        shrink: { type: 'boolean' },
        save: { type: 'string' },
        twice: { type: 'boolean' },
        'keep-going': { type: 'boolean' },
        all: { type: 'boolean' },
        hits: { type: 'boolean' },
        output: { type: 'string', short: 'o', default: 'text' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (!/^(?:text|json)$/.test(values.output)) throw new Error(`-o ${values.output} is unknown`);
    return values;
  } catch (error) {
    throw wrong(messageOf(error));
  }
}

function rangeOf(values: ReturnType<typeof parse>): [number, number] {
  const { seed, seeds, scenario } = values;
  const given = [seed, seeds, scenario].filter((value) => value !== undefined);
  if (values.help || (given.length === 1 && scenario !== undefined)) return [0, 0];
  if (given.length !== 1) throw wrong('give one of --seed, --seeds and --scenario');
  const found = /^(\d+)\.\.(\d+)$/.exec(seeds ?? `${seed}..${seed}`);
  if (!found) throw wrong(seeds === undefined ? `--seed ${seed} is no number` : `--seeds ${seeds}`);
  const [from, to] = [Number(found[1]), Number(found[2])];
  if (to < from) throw wrong(`--seeds ${seeds} is empty`);
  return [from, to];
}

function numberOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw wrong(`${flag} ${text} is no number from 1 on`);
}

function wrong(what: string, hint = 'npm run sim -- --help shows what can be given'): YardError {
  return new YardError('input.flag', what, { hint });
}
