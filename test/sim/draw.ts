import type { Random } from '../../src/base/random.ts';

/** What the simulator draws from one stream of chance. */
export interface Draw {
  float: () => number;
  chance: (probability: number) => boolean;
  /** In [low, high). */
  between: (low: number, high: number) => number;
  /** In [low, high]. */
  int: (low: number, high: number) => number;
  exponential: (mean: number) => number;
  pick: <T>(from: readonly T[]) => T;
  fork: (name: string) => Draw;
  readonly random: Random;
}

export function drawFrom(random: Random): Draw {
  const { float } = random;
  const int = (low: number, high: number) => low + Math.floor(float() * (high - low + 1));
  return {
    float,
    int,
    chance: (probability) => float() < probability,
    between: (low, high) => low + float() * (high - low),
    exponential: (mean) => -mean * Math.log(1 - float()),
    pick: (from) => from[int(0, from.length - 1)]!,
    fork: (name) => drawFrom(random.fork(name)),
    random,
  };
}
