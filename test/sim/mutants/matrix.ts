/** Which oracle heard of which mutant, for people. */
import { INVARIANTS } from '../oracles/invariants.ts';
import type { Hunt } from './hunt.ts';

/** All that a bug can break; the others are of the simulator itself. */
export const PROMISES = Object.keys(INVARIANTS).filter((name) => !name.startsWith('X'));

export function tableOf(hunts: readonly Hunt[]): string[] {
  return hunts.map(({ mutant, found }) => {
    const seeds = found.map((range) => range.seeds ?? '-').join(', ');
    const first = found.find((range) => range.first !== undefined)?.first;
    const verdict = first ?? mutant.equivalent ?? 'SURVIVES';
    return `${mutant.name.padEnd(44)} ${mutant.source.padEnd(7)} ${seeds.padStart(8)}  ${verdict}`;
  });
}

export interface Proof {
  /** Bugs of which that oracle spoke before all others. */
  first: string[];
  /** Those of which it spoke too. */
  also: string[];
}

/** For each promise the mutants that its oracle found. */
export function proofsOf(hunts: readonly Hunt[]): Map<string, Proof> {
  const proofs = new Map<string, Proof>(PROMISES.map((name) => [name, { first: [], also: [] }]));
  for (const { mutant, found } of hunts) {
    const first = new Set(found.flatMap((range) => range.first ?? []));
    for (const oracle of new Set(found.flatMap(({ oracles }) => oracles))) {
      const proof = proofs.get(oracle) ?? { first: [], also: [] };
      proofs.set(oracle, proof);
      (first.has(oracle) ? proof.first : proof.also).push(mutant.name);
    }
  }
  return proofs;
}

/** Promises of whose oracle no bug has made it speak. */
export function unprovedOf(hunts: readonly Hunt[]): string[] {
  const proofs = proofsOf(hunts);
  return PROMISES.filter((name) => {
    const { first, also } = proofs.get(name)!;
    return first.length + also.length === 0;
  });
}

/** Planted to make one oracle speak, which did not. */
export function silentOf(hunts: readonly Hunt[]): string[] {
  return hunts
    .filter(({ mutant: { shows }, found }) => {
      return shows !== undefined && found.some(({ oracles }) => !oracles.includes(shows));
    })
    .map(({ mutant: { name, shows } }) => `${shows} of ${name}`);
}

export function survivorsOf(hunts: readonly Hunt[]): string[] {
  return hunts
    .filter(({ mutant }) => mutant.equivalent === undefined)
    .filter(({ found }) => found.some(({ seeds }) => seeds === undefined))
    .map(({ mutant }) => mutant.name);
}

/** Taken for equal, and found all the same. */
export function mistakenOf(hunts: readonly Hunt[]): string[] {
  return hunts
    .filter(({ mutant }) => mutant.equivalent !== undefined)
    .filter(({ found }) => found.some(({ seeds }) => seeds !== undefined))
    .map(({ mutant }) => mutant.name);
}
