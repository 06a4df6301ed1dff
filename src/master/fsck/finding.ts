/** What can be wrong with a state, by name, and what to do about it. */

const RESTORE = 'put back a backup, and keep these files: they show what happened';
const BUG =
  'report it with the history of that run: the master decided wrongly or its record changed';
const CHANGED = 'somebody changed the files of the state: put back a backup';

/** The hint of each code, after `fsck.`. */
export const HINTS = {
  store: RESTORE,
  gap: RESTORE,
  undecodable: RESTORE,
  key_unknown: 'a newer release or another program wrote it: use the release that did',
  key_mismatch: CHANGED,
  run_missing: RESTORE,
  origin_missing: RESTORE,
  run_twice: BUG,
  run_misplaced: BUG,
  run_state: 'a newer release wrote it: use the release that did',
  run_limits: BUG,
  history_gap: RESTORE,
  history_missing: RESTORE,
  history_orphan: RESTORE,
  history_order: BUG,
  history_places: BUG,
  history_unexpected: BUG,
  history_state: BUG,
  event_after_end: BUG,
  attempt_order: BUG,
  attempt_stale: BUG,
  snapshot: BUG,
  output_missing: RESTORE,
  output_length: RESTORE,
  output_digest: RESTORE,
  artifact_missing: RESTORE,
  artifact_digest: RESTORE,
  bundle_missing: 'upload the bundle again: the run waits for it',
  bundle_digest: 'remove that file and upload the bundle again',
  job_missing: RESTORE,
  job_runs: BUG,
  job_counts: BUG,
  key_run: RESTORE,
  slave_missing: RESTORE,
  slave_state: BUG,
  token_digest: CHANGED,
} as const;

export type FindingCode = keyof typeof HINTS;

export interface Finding {
  /** `fsck.…`, stable. */
  code: string;
  /** The run, key or file that it is about. */
  where: string;
  what: string;
  hint: string;
}

/** Hears of each finding; `where` names a run, a key or a file. */
export type Report = (code: FindingCode, where: string, what: string) => void;

export function findingOf(code: FindingCode, where: string, what: string): Finding {
  return { code: `fsck.${code}`, where, what, hint: HINTS[code] };
}

/** Reads as all our errors do: `code: what, where, what to do`. */
export function formatFinding({ code, where, what, hint }: Finding): string {
  return `${code}: ${where}: ${what}, ${hint}`;
}
