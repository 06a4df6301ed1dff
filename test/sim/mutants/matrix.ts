/** Which oracle heard of which mutant, for people. */
import type { Hunt } from './hunt.ts';

/** All that dst.md part 3 names. */
export const PROMISES: readonly string[] = [
  ...Array.from({ length: 28 }, (_, i) => `S${i + 1}`),
  ...Array.from({ length: 9 }, (_, i) => `L${i + 1}`),
];

/** S18.torn is a part of S18. */
function promiseOf(oracle: string): string {
  return oracle.split('.')[0]!;
}

export function tableOf(hunts: readonly Hunt[]): string[] {
  return hunts.map(({ mutant, found }) => {
    const seeds = found.map((range) => range.seeds ?? '-').join(', ');
    const first = found.flatMap(({ oracles }) => oracles).at(0) ?? '';
    const verdict = first === '' ? (mutant.equivalent ?? 'SURVIVES') : first;
    return `${mutant.name.padEnd(36)} ${mutant.source.padEnd(7)} ${seeds.padStart(8)}  ${verdict}`;
  });
}

/** For each promise the mutants that its oracle found. */
export function matrixOf(hunts: readonly Hunt[]): Map<string, string[]> {
  const matrix = new Map<string, string[]>(PROMISES.map((name) => [name, []]));
  for (const { mutant, found } of hunts) {
    for (const oracle of new Set(found.flatMap(({ oracles }) => oracles.map(promiseOf)))) {
      const names = matrix.get(oracle);
      if (names) names.push(mutant.name);
      else matrix.set(oracle, [mutant.name]);
    }
  }
  return matrix;
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
