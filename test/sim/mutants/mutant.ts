import type { Invariant } from '../oracles/invariants.ts';

/** A bug that is planted in a copy of the sources, to see whether an oracle finds it. */
export interface Mutant extends Edit {
  /** Unique, in words joined by dashes. */
  name: string;
  /** Where one place alone would be covered by a second line of defence. */
  also?: readonly Edit[];
  why: string;
  /** dst N: of the list in the reference on simulation, part 5. blind: by who did not write the oracles. */
  source: `dst ${number}` | 'own' | 'blind';
  /** The oracle that it proves to be able to speak: it must, whichever else does. */
  shows?: Invariant;
  /** Why nothing that is promised can be different. Absent: it must be found. */
  equivalent?: string;
}

export interface Edit {
  /** From the root: of the core, or of a port's adapter in the simulator where it stands for one. */
  file: string;
  /** Occurs exactly once in the file. */
  find: string;
  replace: string;
}

export function editsOf({ file, find, replace, also = [] }: Mutant): Edit[] {
  return [{ file, find, replace }, ...also];
}

/** The text with the edit made; throws when its place is not there, or not the only one. */
export function plant(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length === 2) return parts.join(replace);
  throw new Error(`${file} has ${parts.length - 1} of ${JSON.stringify(find)}, one is needed`);
}
