/** `npm run chaos`: rounds of faults on real processes, until the time is over. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chaosRound } from './chaos.ts';
import type { ChaosOptions, ChaosResult } from './chaos.ts';
import { FAULTS } from './faults.ts';

const USAGE = `usage: npm run chaos -- [--minutes N] [--cycles N] [--seed N] [--faults NAME,…]
  [--slaves N] [--outage SECONDS]
faults: ${FAULTS.map(({ name }) => name).join(', ')}`;

/** A state of its own after so many faults, so that what is judged stays of a size. */
const CYCLES_A_ROUND = 50;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string' },
      cycles: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      faults: { type: 'string' },
      slaves: { type: 'string', default: '3' },
      outage: { type: 'string', default: '20' },
      help: { type: 'boolean' },
    },
  });
  const numbers = [values.minutes ?? '1', values.cycles ?? '1', values.seed, values.slaves];
  const faults = values.faults?.split(',');
  const areKnown = faults?.every((name) => FAULTS.some((fault) => fault.name === name)) ?? true;
  if (values.help || !areKnown || numbers.some((text) => !/^\d+(\.\d+)?$/.test(text))) {
    say(USAGE);
    return 64;
  }
  const given = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => given.abort());
  const total = {
    cycles: 0,
    runs: 0,
    started: 0,
    violations: 0,
    faults: new Map<string, number>(),
  };
  const minutes = Number(values.minutes ?? (values.cycles === undefined ? 1 : Infinity));
  const endsAt = Date.now() + minutes * 60_000;
  const cyclesMax = Number(values.cycles ?? Infinity);
  for (let seed = Number(values.seed); Date.now() < endsAt && total.cycles < cyclesMax; seed++) {
    const result = await unlessBrokenOff({
      cli: resolve('dist/cli/runyard.js'),
      seed,
      cycles: Math.min(CYCLES_A_ROUND, cyclesMax - total.cycles),
      forMs: endsAt - Date.now(),
      faults,
      slaves: Number(values.slaves),
      outageMsMax: Number(values.outage) * 1000,
      say,
      signal: given.signal,
    });
    if (!result) return 130;
    const { cycles, runs, started, violations } = result;
    say(`seed ${seed}: ${cycles} cycles, ${runs} runs, ${started} attempts started`);
    for (const violation of violations) say(`  ${violation}`);
    if (violations.length > 0) say(`  state, logs and marks are kept in ${result.root}`);
    total.cycles += cycles;
    total.runs += runs;
    total.started += started;
    total.violations += violations.length;
    for (const [name, count] of Object.entries(result.faults)) {
      total.faults.set(name, (total.faults.get(name) ?? 0) + count);
    }
  }
  const named = [...total.faults].map(([name, count]) => `${name} ${count}`).toSorted();
  say(
    `chaos: ${total.cycles} cycles, ${total.runs} runs, ${total.started} attempts started, ` +
      `faults: ${named.join(', ')}; ${total.violations} violations`,
  );
  return total.violations === 0 ? 0 : 1;
}

/** undefined: somebody asked it to end. */
async function unlessBrokenOff(options: ChaosOptions): Promise<ChaosResult | undefined> {
  try {
    return await chaosRound(options);
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    return undefined;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// What a broken round waits for in vain would keep the process.
process.exit(await main(process.argv.slice(2)));
