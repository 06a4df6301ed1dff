import { STREAMS } from '../../../src/protocol/outputs.ts';
import { outputKey } from '../../../src/master/outputs.ts';
import type { BlobDisk } from '../blobs.ts';

/**
 * Promises that the protocol does not keep yet, and why. Their oracles run all the same; what they
 * find is counted apart and does not fail a seed.
 */
export const OPEN: Readonly<Record<string, string>> = {
  'S15.flight': 'a drain is acknowledged while grants sent before are still on their way',
  'S18.torn': 'a power cut of the master takes output that was sent; nobody sends it again',
  'S21.torn': 'the same: the success is known, its outputs are not whole, so it is done again',
  'S22.dying': 'what a slave was told to drop fills its slots for a moment longer',
  S24: 'exclusive runs are not yet killed by the end of their own lease',
};

/** Whether a power cut of the master took bytes that this attempt had sent. */
export function isTorn({ torn }: BlobDisk, key: string): boolean {
  const at = key.lastIndexOf('.');
  const [run, attempt] = [key.slice(0, at), Number(key.slice(at + 1))];
  return STREAMS.some((stream) => torn.has(outputKey(run, attempt, stream)));
}
