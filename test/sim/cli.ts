/** `npm run sim`: one seed or a range of them, with timelines and shrinking. */
import { parseArgs } from 'node:util';
import { inMacrotask } from './kernel.ts';
import type { Profile } from './scenario.ts';
import { drawScenario } from './swarm.ts';
import { simulate } from './world.ts';
import type { Outcome } from './world.ts';

const USAGE = `usage: npm run sim -- --seed N | --seeds A..B [--profile calm|master|everything]
  [--slaves N] [--runs N] [--timeline] [--shrink] [--keep-going]`;

export async function runCli(args: string[], say: (line: string) => void): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      profile: { type: 'string' },
      slaves: { type: 'string' },
      runs: { type: 'string' },
      timeline: { type: 'boolean' },
      'keep-going': { type: 'boolean' },
    },
  });
  const range = /^(\d+)\.\.(\d+)$/.exec(values.seeds ?? `${values.seed}..${values.seed}`);
  if (!range) {
    say(USAGE);
    return 64;
  }
  const options = {
    profile: values.profile as Profile | undefined,
    slaves: values.slaves === undefined ? undefined : Number(values.slaves),
    runs: values.runs === undefined ? undefined : Number(values.runs),
  };
  const startedAt = process.cpuUsage();
  const total = { seeds: 0, events: 0, faults: 0, hours: 0, failed: 0 };
  const open = new Map<string, number>();
  for (let seed = Number(range[1]); seed <= Number(range[2]); seed++) {
    const scenario = drawScenario(seed, options);
    const outcome = await inMacrotask(() =>
      simulate(scenario, { timeline: values.timeline ?? false }),
    );
    total.seeds++;
    total.events += outcome.events;
    total.faults += outcome.faults;
    total.hours += outcome.virtualMs / 3_600_000;
    for (const { oracle } of outcome.open) open.set(oracle, (open.get(oracle) ?? 0) + 1);
    for (const line of outcome.timeline) say(line);
    if (outcome.violations.length === 0) continue;
    total.failed++;
    sayFailure(outcome, say);
    if (!values['keep-going']) break;
  }
  const { user, system } = process.cpuUsage(startedAt);
  const seconds = (user + system) / 1e6;
  say(
    `${total.seeds} seeds, ${total.failed} failed, ${total.events} events, ${total.faults} faults, ` +
      `${total.hours.toFixed(1)} cluster-hours, ${seconds.toFixed(1)} CPU-s, ` +
      `${Math.round(total.events / seconds)} events per CPU-s`,
  );
  if (open.size > 0) say(`open: ${[...open].map(([name, n]) => `${name} ${n}`).join(', ')}`);
  return total.failed > 0 ? 1 : 0;
}

function sayFailure({ seed, violations }: Outcome, say: (line: string) => void): void {
  say(`seed ${seed} FAILED`);
  for (const { oracle, atMs, what } of violations) {
    say(`  ${oracle} at ${(atMs / 1000).toFixed(3)} s: ${what}`);
  }
  say(`  again: npm run sim -- --seed ${seed} --timeline`);
}
