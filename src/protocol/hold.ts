import type { RunStatus } from './run.ts';

/** `by ann: until the mirror is back` */
export function holdText({ by, note }: NonNullable<RunStatus['hold']>): string {
  return note === '' ? `by ${by}` : `by ${by}: ${note}`;
}
