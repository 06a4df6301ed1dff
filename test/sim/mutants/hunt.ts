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
  /** What spoke first at that seed. */
  first: string | undefined;
  /** All that spoke at that seed and at those after it, that one first. */
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
/** As many at most, until the oracle has spoken for which the bug was planted. */
const FURTHER_MAX = 50;
/** Without a word for so many looks, it goes in a circle where no event ends: that is found too. */
const STILL_LOOKS = 30;
/** Looks are counted, not time: while all stands still, nobody is silent. */
const LOOK_MS = 5_000;
const CIRCLE = 'no end';
const TO_THE_END = ['--all', '--keep-going'];

type Played = Pick<RangeReport, 'events' | 'cpuSeconds' | 'failed'>;

/** What a seed shows without any bug: it is played once for all of them. */
export type Known = Map<number, Promise<readonly string[]>>;

/** `place` and `base`, the same without the bug, are directories that are laid out as dist-sim. */
export async function huntOne(
  { place, base, known }: { place: string; base: string; known: Known },
  { shows }: Pick<Mutant, 'shows'>,
  range: Range,
): Promise<Found> {
  const found: Found = {
    seeds: undefined,
    first: undefined,
    oracles: [],
    events: 0,
    cpuSeconds: 0,
  };

  /** What is wrong without the bug too is not found by it. */
  async function newOf({ failed }: Played): Promise<string[]> {
    const fresh: string[] = [];
    for (const { seed, violations } of failed) {
      const old = await knownOf(base, Number(seed), known);
      for (const { oracle } of violations) if (!old.includes(oracle)) fresh.push(oracle);
    }
    return [...new Set(fresh)];
  }

  for (let from = range.from; from <= range.to;) {
    const report = await play(place, { from, to: range.to }, []);
    found.events += report.events;
    found.cpuSeconds += report.cpuSeconds;
    const [failure] = report.failed;
    if (!failure) return found;
    const seed = Number(failure.seed);
    const [first] = await newOf(report);
    from = seed + 1;
    if (first === undefined) continue;
    const isHeard = () => shows === undefined || found.oracles.includes(shows);
    found.oracles = [first];
    for (let at = seed; at === seed || (!isHeard() && at < seed + FURTHER_MAX); at += FURTHER) {
      const more = await play(place, { from: at, to: at + FURTHER - 1 }, TO_THE_END);
      // A circle that only comes when nothing stops at the first word tells nothing.
      const heard = (await newOf(more)).filter((oracle) => oracle !== CIRCLE);
      found.oracles = [...new Set([...found.oracles, ...heard])];
    }
    return { ...found, first, seeds: seed - range.from + 1 };
  }
  return found;
}

function knownOf(base: string, seed: number, known: Known): Promise<readonly string[]> {
  const earlier = known.get(seed);
  if (earlier) return earlier;
  const playing = play(base, { from: seed, to: seed }, TO_THE_END).then(({ failed }) =>
    failed.flatMap(({ violations }) => violations.map(({ oracle }) => oracle)),
  );
  known.set(seed, playing);
  return playing;
}

function play(place: string, { from, to }: Range, more: readonly string[]): Promise<Played> {
  return new Promise((resolve, reject) => {
    const main = join(place, 'test', 'sim', 'main.js');
    const flags = [...more, '--workers', '1', '-o', 'json'];
    const child = spawn(
      process.execPath,
      [...process.execArgv, main, '--seeds', `${from}..${to}`, ...flags],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
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
