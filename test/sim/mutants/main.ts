/** `npm run sim:mutants`: plants each bug in a copy of what is built, and hunts it. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildMutants, isWithin } from './build.ts';
import { huntOne } from './hunt.ts';
import type { Hunt, Range } from './hunt.ts';
import { matrixOf, mistakenOf, survivorsOf, tableOf } from './matrix.ts';
import { mutantsOf } from './table.ts';

const HELP = `usage: npm run sim:mutants -- [--seeds N] [--ranges N] [--jobs N] [-o json] [NAME...]

Plants known bugs, one at a time, and plays seeds until an oracle finds each. Ends with status 1
if one survives that is not shown to change nothing.

  --seeds N     at most so many for each bug; default 10000
  --ranges N    independent ranges of seeds; default 1
  --jobs N      at once; default: one for each processor
  NAME          only these: the name of a source ("dst", "own", "blind") or a part of a bug's name`;

const say = (line: string) => void process.stdout.write(`${line}\n`);
const tell = (line: string) => void process.stderr.write(`${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '10000' },
      ranges: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      output: { type: 'string', short: 'o', default: 'text' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const wanted = mutantsOf(positionals);
  const root = resolve(import.meta.dirname, '..', '..', '..', '..');
  const mutants = wanted.filter((mutant) => isWithin(root, mutant));
  const beyond = wanted.filter((mutant) => !mutants.includes(mutant)).map(({ name }) => name);
  const { base, places, remove } = buildMutants(root, mutants);
  process.on('exit', remove);
  const ranges = Array.from({ length: Number(values.ranges) }, (_, i): Range => {
    const from = 1 + i * 1_000_000;
    return { from, to: from + Number(values.seeds) - 1 };
  });

  const hunts: Hunt[] = mutants.map((mutant) => ({ mutant, found: [] }));
  const tasks = hunts.flatMap((hunt) => ranges.map((range, index) => ({ hunt, range, index })));
  const work = async () => {
    for (let task = tasks.shift(); task; task = tasks.shift()) {
      const { hunt, range, index } = task;
      const found = await huntOne(places.get(hunt.mutant.name)!, base, range);
      hunt.found[index] = found;
      const { seeds, oracles } = found;
      const how = seeds === undefined ? 'survives' : `${oracles.join(' ')} after ${seeds}`;
      tell(`${hunt.mutant.name}: ${how}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  const survivors = survivorsOf(hunts);
  const mistaken = mistakenOf(hunts);
  if (values.output === 'json') say(JSON.stringify({ hunts, survivors, mistaken, beyond }));
  else present(hunts, survivors, mistaken);
  if (beyond.length > 0) tell(`in files that no simulation runs: ${beyond.join(', ')}`);
  return survivors.length + mistaken.length > 0 ? 1 : 0;
}

function present(hunts: Hunt[], survivors: string[], mistaken: string[]): void {
  say('\nmutant                               source     seeds  found by');
  for (const line of tableOf(hunts)) say(line);
  say('\noracle  mutants that it found');
  for (const [name, names] of matrixOf(hunts)) {
    say(`${name.padEnd(7)} ${names.length === 0 ? '-' : names.join(' ')}`);
  }
  const counted = hunts.filter(({ mutant }) => mutant.equivalent === undefined);
  const score = counted.length - survivors.length;
  say(`\n${score} of ${counted.length} found, ${hunts.length - counted.length} equivalent`);
  if (survivors.length > 0) say(`survive: ${survivors.join(', ')}`);
  if (mistaken.length > 0) say(`called equivalent, and found: ${mistaken.join(', ')}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
