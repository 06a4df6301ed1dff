/** `npm run sim:mutants`: plants each bug in a copy of what is built, and hunts it. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildMutants, isWithin } from './build.ts';
import { huntOne } from './hunt.ts';
import type { Hunt, Known, Range } from './hunt.ts';
import { mistakenOf, proofsOf, silentOf, survivorsOf, tableOf, unprovedOf } from './matrix.ts';
import { MUTANTS, mutantsOf } from './table.ts';

const HELP = `usage: npm run sim:mutants -- [--seeds N] [--ranges N] [--jobs N] [-o json] [NAME...]

Plants known bugs, one at a time, and plays seeds until an oracle finds each. Ends with status 1
if one survives that is not shown to change nothing, if an oracle stays silent for which a bug was
planted, or, when all are hunted, one that no bug has made speak.

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
  const known: Known = new Map();
  const work = async () => {
    for (let task = tasks.shift(); task; task = tasks.shift()) {
      const { hunt, range, index } = task;
      const place = places.get(hunt.mutant.name)!;
      const found = await huntOne({ place, base, known }, hunt.mutant, range);
      hunt.found[index] = found;
      const { seeds, oracles } = found;
      const how = seeds === undefined ? 'survives' : `${oracles.join(' ')} after ${seeds}`;
      tell(`${hunt.mutant.name}: ${how}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  const verdicts = {
    survivors: survivorsOf(hunts),
    mistaken: mistakenOf(hunts),
    silent: silentOf(hunts),
    // Of a few bugs most oracles hear nothing.
    unproved: wanted.length === MUTANTS.length ? unprovedOf(hunts) : [],
  };
  if (values.output === 'json') {
    const proofs = Object.fromEntries(proofsOf(hunts));
    say(JSON.stringify({ hunts, proofs, ...verdicts, beyond }));
  } else present(hunts, verdicts);
  if (beyond.length > 0) tell(`in files that no simulation runs: ${beyond.join(', ')}`);
  return Object.values(verdicts).some((names) => names.length > 0) ? 1 : 0;
}

type Verdicts = Record<'survivors' | 'mistaken' | 'silent' | 'unproved', string[]>;

function present(hunts: Hunt[], verdicts: Verdicts): void {
  const { survivors, mistaken, silent, unproved } = verdicts;
  say('\nmutant                                       source     seeds  found by');
  for (const line of tableOf(hunts)) say(line);
  say('\noracle  mutants of which it spoke first / too');
  for (const [name, { first, also }] of proofsOf(hunts)) {
    say(`${name.padEnd(7)} ${first.join(' ') || '-'} / ${also.join(' ') || '-'}`);
  }
  const counted = hunts.filter(({ mutant }) => mutant.equivalent === undefined);
  const score = counted.length - survivors.length;
  say(`\n${score} of ${counted.length} found, ${hunts.length - counted.length} equivalent`);
  if (survivors.length > 0) say(`survive: ${survivors.join(', ')}`);
  if (mistaken.length > 0) say(`called equivalent, and found: ${mistaken.join(', ')}`);
  if (silent.length > 0) say(`planted for an oracle that is silent: ${silent.join(', ')}`);
  if (unproved.length > 0) say(`oracles that no bug has made speak: ${unproved.join(', ')}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
