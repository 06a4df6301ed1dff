/** Plays seeds on a mutant until an oracle finds it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { RangeReport } from '../range.ts';
import type { Mutant } from './mutant.ts';

export interface Range {
  from: number;
  to: number;
}

export interface Found {
  /** Seeds played up to the one that showed it; undefined: all were played, and none did. */
  seeds: number | undefined;
  /** What spoke at that seed, the first of them first, and at those after it. */
  oracles: string[];
  events: number;
  cpuSeconds: number;
}

export interface Hunt {
  mutant: Mutant;
  /** For each range. */
  found: Found[];
}

/** Seeds, from the first that shows it, that are played to their ends: what else hears of it. */
const FURTHER = 5;
/** Without a word for so many looks, it goes in a circle where no event ends: that is found too. */
const STILL_LOOKS = 30;
/** Looks are counted, not time: while all stands still, nobody is silent. */
const LOOK_MS = 5_000;
const CIRCLE = 'no end';

type Played = Pick<RangeReport, 'events' | 'cpuSeconds' | 'failed'>;

/** `place` and `base`, the same without the bug, are directories that are laid out as dist-sim. */
export async function huntOne(place: string, base: string, range: Range): Promise<Found> {
  const found: Found = { seeds: undefined, oracles: [], events: 0, cpuSeconds: 0 };
  for (let from = range.from; from <= range.to;) {
    const report = await play(place, { from, to: range.to }, []);
    found.events += report.events;
    found.cpuSeconds += report.cpuSeconds;
    const [failure] = report.failed;
    if (!failure) return found;
    const seed = Number(failure.seed);
    const further = { from: seed, to: seed + FURTHER - 1 };
    // What is wrong without the bug too is not found by it.
    const known = oraclesOf(await play(base, further, ['--all', '--keep-going']));
    const isNew = (oracle: string) => !known.includes(oracle);
    const first = oraclesOf(report).filter(isNew);
    if (first.length === 0) {
      from = seed + 1;
      continue;
    }
    const more = oraclesOf(await play(place, further, ['--all', '--keep-going'])).filter(isNew);
    found.seeds = seed - range.from + 1;
    found.oracles = [...new Set([...first, ...more])].filter(
      (oracle) => oracle !== CIRCLE || first.includes(CIRCLE),
    );
    return found;
  }
  return found;
}

function oraclesOf({ failed }: Played): string[] {
  return [...new Set(failed.flatMap(({ violations }) => violations.map(({ oracle }) => oracle)))];
}

function play(place: string, { from, to }: Range, more: readonly string[]): Promise<Played> {
  return new Promise((resolve, reject) => {
    const main = join(place, 'test', 'sim', 'main.js');
    const flags = [...more, '--workers', '1', '-o', 'json'];
    const child = spawn(process.execPath, [main, '--seeds', `${from}..${to}`, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    // Progress is told every ten seconds; who says nothing for long does not come back.
    let silent = 0;
    const watch = setInterval(() => ++silent >= STILL_LOOKS && giveUp(), LOOK_MS);
    child.stdout.on('data', (chunk) => void (output += String(chunk)));
    child.stderr.on('data', (chunk) => {
      errors = `${errors}${String(chunk)}`.slice(-2000);
      silent = 0;
    });
    function giveUp(): void {
      child.kill('SIGKILL');
      const violations = [{ oracle: CIRCLE, atMs: 0, what: 'one event does not end' }];
      resolve({ events: 0, cpuSeconds: 0, failed: [{ seed: String(from), violations }] });
    }
    child.on('close', (code) => {
      clearInterval(watch);
      if (code === 0 || code === 1) {
        try {
          return resolve(JSON.parse(output) as RangeReport);
        } catch {
          // It ended otherwise than by its own will: told below.
        }
      }
      reject(new Error(`${main} of seeds ${from}..${to} ended with ${code}: ${errors}`));
    });
  });
}
