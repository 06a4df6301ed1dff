/** The words for states, in the order in which a run passes through them. */
export const STATES = ['PENDING', 'RUNNING', 'COMPLETE', 'FAILED', 'ABORTED', 'TIMEDOUT'] as const;

const LIVE: readonly string[] = ['PENDING', 'RUNNING', 'NEW'];

/** Whether a state, or a leaf of one, is an end. */
export function isDone(state: string): boolean {
  return !LIVE.includes(state.split('.')[0]!);
}
