import { attemptOracles } from './attempts.ts';
import { clientOracles } from './clients.ts';
import { frameOracles } from './frames.ts';
import { historyOracles } from './history.ts';
import { livenessOracles } from './liveness.ts';
import type { MakeOracle } from './oracle.ts';
import { outputOracles } from './outputs.ts';

export const ORACLES: readonly MakeOracle[] = [
  historyOracles,
  outputOracles,
  attemptOracles,
  frameOracles,
  clientOracles,
  livenessOracles,
];

/**
 * Promises that the protocol does not keep yet, and why. Their oracles run all the same; what they
 * find is counted apart and does not fail a seed.
 */
export const OPEN: Readonly<Record<string, string>> = {
  S24: 'exclusive runs are not yet killed by the end of their own lease',
};
