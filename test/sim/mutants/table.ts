import { BLIND } from './blind.ts';
import { DST } from './dst.ts';
import type { Mutant } from './mutant.ts';
import { OWN } from './own.ts';

export const MUTANTS: readonly Mutant[] = [
  ...DST,
  ...OWN,
  ...BLIND.map((mutant) => ({ ...mutant, source: 'blind' as const })),
];

/** The bugs that are asked for: by the whole name of a source, or a part of a bug's own name. */
export function mutantsOf(asked: readonly string[]): readonly Mutant[] {
  if (asked.length === 0) return MUTANTS;
  const sources = asked.filter((text) => /^(?:dst(?: \d+)?|own|blind)$/.test(text));
  const parts = asked.filter((text) => !sources.includes(text));
  const isFrom = (source: string) =>
    sources.some((text) => source === text || source.startsWith(`${text} `));
  return MUTANTS.filter(
    ({ name, source }) => isFrom(source) || parts.some((part) => name.includes(part)),
  );
}
