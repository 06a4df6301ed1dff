/** `npm run sim`: seeds, a range of them or a saved scenario; timelines, shrinking, saving. */
import { exitCodeOf, isYardError } from '../../src/base/errors.ts';
import { HELP, readArgs } from './args.ts';
import type { SimArgs } from './args.ts';
import { playTwice } from './play.ts';
import { playRange } from './range.ts';
import { count, lineOf, lineOfOpen, linesOfFailure, makeProgress } from './report.ts';
import { loadScenario, saveScenario } from './saved.ts';
import type { Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { drawScenario } from './swarm.ts';
import type { Violation } from './world.ts';

export interface Screen {
  say: (line: string) => void;
  /** Progress and mistakes. */
  tell: (text: string) => void;
  isTerminal: boolean;
}

export async function runCli(given: string[], screen: Screen): Promise<number> {
  try {
    const args = readArgs(given);
    if (args.help) screen.say(HELP);
    else return await perform(args, screen);
    return 0;
  } catch (error) {
    if (!isYardError(error)) throw error;
    screen.tell(`${error.message}\n`);
    return exitCodeOf(error.code);
  }
}

function perform(args: SimArgs, screen: Screen): Promise<number> {
  if (args.scenario !== undefined) {
    const { scenario } = loadScenario(args.scenario);
    return lookAt(scenario, `npm run sim -- --scenario ${args.scenario}`, args, screen);
  }
  if (args.timeline || args.shrink || args.save !== undefined) {
    return lookAt(drawScenario(args.from, args), commandOf(args, args.from), args, screen);
  }
  return runRange(args, screen);
}

/** The command that plays that seed, with the options that decide what it is. */
function commandOf({ profile, slaves, runs }: SimArgs, seed: number | string): string {
  const options = Object.entries({ profile, slaves, runs }).flatMap(([name, value]) =>
    value === undefined ? [] : [` --${name} ${value}`],
  );
  return `npm run sim -- --seed ${seed}${options.join('')}`;
}

async function runRange(args: SimArgs, { say, tell, isTerminal }: Screen): Promise<number> {
  const progress = makeProgress(args.to - args.from + 1, { isTerminal, write: tell });
  const report = await playRange(args, progress.show);
  progress.end();
  const failed = report.failed.map((failure) => ({
    ...failure,
    again: commandOf(args, failure.seed),
  }));
  const hits = args.hits ? report.hits : undefined;
  if (args.isJson) say(JSON.stringify({ ...report, failed, hits }));
  else {
    for (const { seed, violations, again } of failed) {
      for (const line of linesOfFailure(`seed ${seed}`, violations, `${again} --timeline`)) {
        say(line);
      }
    }
    for (const line of lineOfOpen(report.open)) say(line);
    say(lineOf(report));
  }
  return failed.length > 0 ? 1 : 0;
}

/** One scenario, closely. */
async function lookAt(
  scenario: Scenario,
  again: string,
  args: SimArgs,
  screen: Screen,
): Promise<number> {
  const outcome = await playTwice(scenario, {
    timeline: args.timeline && !args.shrink,
    all: args.all === true,
  });
  const [violation] = outcome.violations;
  const shrunk = violation && args.shrink ? await shrinkIt(scenario, violation, screen) : undefined;
  const small = shrunk?.scenario ?? scenario;
  if (args.save !== undefined) saveIt(args.save, small, shrunk?.violation ?? violation);
  const violations = shrunk ? [shrunk.violation] : outcome.violations;
  const all = shrunk ? (await playTwice(small, args)).timeline : outcome.timeline;
  const timeline = args.beats
    ? all
    : all.filter((line) => !/ type=(?:heartbeat|renew) /.test(line));
  const { events, faults, hash } = outcome;
  if (args.isJson) {
    const facts = { seed: scenario.seed, events, faults, hash, violations, open: outcome.open };
    const left = shrunk && { plays: shrunk.plays, isCut: shrunk.isCut, scenario: small };
    screen.say(JSON.stringify({ ...facts, shrunk: left, timeline }));
    return violations.length > 0 ? 1 : 0;
  }
  for (const line of timeline) screen.say(line);
  if (shrunk) screen.say(`left: ${sizes(small)}${shrunk.isCut ? ', when time was up' : ''}`);
  const name = `seed ${scenario.seed}`;
  for (const line of violations.length > 0 ? linesOfFailure(name, violations, again) : []) {
    screen.say(line);
  }
  screen.say(`${name}: ${events} events, ${count(faults, 'fault')}, hash ${hash}`);
  return violations.length > 0 ? 1 : 0;
}

async function shrinkIt(scenario: Scenario, violation: Violation, { tell, isTerminal }: Screen) {
  const shrunk = await shrink(scenario, violation, {
    onStep: (small, plays) => isTerminal && tell(`\r\u001b[K${sizes(small)} after ${plays} plays`),
  });
  if (isTerminal) tell('\r\u001b[K');
  return shrunk;
}

function sizes({ faults, runs, drains, slaves }: Scenario): string {
  return [
    count(faults.length, 'fault'),
    count(runs.length, 'run'),
    count(drains.length, 'drain'),
    count(slaves.length, 'slave'),
  ].join(', ');
}

function saveIt(file: string, scenario: Scenario, violation: Violation | undefined): void {
  const { oracle, what } = violation ?? { oracle: 'none', what: 'all is well' };
  saveScenario(file, { found: { oracle, what }, scenario });
}
