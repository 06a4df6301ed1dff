/**
 * One job: runs that were submitted together. It only counts; the runs themselves say who waits
 * for whom (spec rows S20, S22: NOT_STARTED, IN_PROGRESS, COMPLETED).
 */
import { assign, setup } from 'xstate';

export interface JobContext {
  total: number;
  ended: number;
  /** Ended otherwise than by exit status 0. */
  failed: number;
  abort?: { by: string; why: string } | undefined;
}

export type JobEvent = { at: number } & (
  | { type: 'job.runStarted' }
  | { type: 'job.runEnded'; ok: boolean }
  | { type: 'job.abortRequested'; by: string; why: string }
);

export type JobEffect = 'abortRuns';

/** Wraps a pure change of the context for the events that it is used with. */
function change<T extends JobEvent['type'] = JobEvent['type']>(
  update: (context: JobContext, event: Extract<JobEvent, { type: T }>) => Partial<JobContext>,
) {
  return assign<JobContext, JobEvent, undefined, JobEvent, never>(({ context, event }) =>
    update(context, event as Extract<JobEvent, { type: T }>),
  );
}

const ended = [
  { guard: 'isLastRun', target: '#job.COMPLETED', actions: ['count'] },
  { target: '#job.IN_PROGRESS', actions: ['count'] },
] as const;

export const jobMachine = setup({
  types: { context: {} as JobContext, events: {} as JobEvent, input: {} as { total: number } },
  guards: { isLastRun: ({ context }) => context.ended + 1 >= context.total },
  actions: {
    count: change((context, event) => ({
      ended: context.ended + 1,
      failed: context.failed + (event.type === 'job.runEnded' && event.ok ? 0 : 1),
    })),
    noteAbort: change<'job.abortRequested'>((_, { by, why }) => ({ abort: { by, why } })),
    abortRuns: () => {},
  },
}).createMachine({
  id: 'job',
  context: ({ input }) => ({ total: input.total, ended: 0, failed: 0 }),
  initial: 'NOT_STARTED',
  states: {
    NOT_STARTED: {
      on: {
        'job.runStarted': 'IN_PROGRESS',
        'job.runEnded': ended,
        'job.abortRequested': { target: 'ABORTING', actions: ['noteAbort', 'abortRuns'] },
      },
    },
    IN_PROGRESS: {
      on: {
        'job.runEnded': ended,
        'job.abortRequested': { target: 'ABORTING', actions: ['noteAbort', 'abortRuns'] },
      },
    },
    ABORTING: {
      on: {
        'job.runEnded': [
          { guard: 'isLastRun', target: 'COMPLETED', actions: ['count'] },
          { actions: ['count'] },
        ],
      },
    },
    COMPLETED: { type: 'final' },
  },
});
