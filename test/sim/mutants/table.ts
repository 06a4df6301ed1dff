import { BLIND } from './blind.ts';
import { DST } from './dst.ts';
import type { Mutant } from './mutant.ts';
import { OWN } from './own.ts';

export const MUTANTS: readonly Mutant[] = [
  ...DST,
  ...OWN,
  ...BLIND.map((mutant) => ({ ...mutant, source: 'blind' as const })),
];
