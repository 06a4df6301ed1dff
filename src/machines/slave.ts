/**
 * One slave as the master sees it. Connection and lease decide where it stands; what people ask of
 * it (drain, pause) is context, so that it outlives connections and restarts (design.md part 4).
 */
import { assign, setup } from 'xstate';

/** drain: no new work until resumed; pause: the same, with an end in sight. */
export interface OutOfService {
  by: string;
  note: string;
  at: number;
  /** On the master's wall clock; absent: until resumed. */
  untilAt?: number | undefined;
}

export interface SlaveContext {
  drain?: OutOfService | undefined;
  /** The process of it that is or was connected. */
  incarnation?: string | undefined;
  seenAt?: number | undefined;
  /** How often its lease ran out. */
  losses: number;
  whyGone?: string | undefined;
}

export type SlaveEvent = { at: number } & (
  | { type: 'slave.welcomed'; incarnation: string }
  | { type: 'slave.disconnected'; why: string }
  | { type: 'slave.left'; why: string }
  | { type: 'lease.expired' }
  | { type: 'drain.requested'; by: string; note: string; untilAt?: number | undefined }
  | { type: 'resume.requested'; by: string }
  | { type: 'drain.expired' }
);

/** giveUpAttempts: all that it held is lost; tellDrain, tellResume: say so to the slave. */
export type SlaveEffect = 'giveUpAttempts' | 'tellDrain' | 'tellResume' | 'schedule';

/** Wraps a pure change of the context for the events that it is used with. */
function change<T extends SlaveEvent['type'] = SlaveEvent['type']>(
  update: (context: SlaveContext, event: Extract<SlaveEvent, { type: T }>) => Partial<SlaveContext>,
) {
  return assign<SlaveContext, SlaveEvent, undefined, SlaveEvent, never>(({ context, event }) =>
    update(context, event as Extract<SlaveEvent, { type: T }>),
  );
}

export const slaveMachine = setup({
  types: { context: {} as SlaveContext, events: {} as SlaveEvent },
  guards: { isDraining: ({ context }) => context.drain !== undefined },
  actions: {
    welcome: change<'slave.welcomed'>((_, { at, incarnation }) => ({
      seenAt: at,
      whyGone: undefined,
      incarnation,
    })),
    noteGone: change((_, event) => ({
      seenAt: event.at,
      whyGone: 'why' in event ? event.why : 'lease over',
    })),
    noteLoss: change((context) => ({ losses: context.losses + 1 })),
    drain: change<'drain.requested'>((_, { by, note, at, untilAt }) => ({
      drain: { by, note, at, untilAt },
    })),
    resume: change(() => ({ drain: undefined })),
    giveUpAttempts: () => {},
    tellDrain: () => {},
    tellResume: () => {},
    schedule: () => {},
  },
}).createMachine({
  id: 'slave',
  context: { losses: 0 },
  initial: 'OFFLINE',
  on: {
    'drain.requested': { actions: ['drain', 'tellDrain'] },
    'resume.requested': { guard: 'isDraining', actions: ['resume', 'tellResume', 'schedule'] },
    'drain.expired': { guard: 'isDraining', actions: ['resume', 'tellResume', 'schedule'] },
  },
  states: {
    /** Not connected, and nothing of ours is expected there. */
    OFFLINE: {
      on: { 'slave.welcomed': { target: 'ONLINE', actions: ['welcome', 'schedule'] } },
    },
    ONLINE: {
      on: {
        'slave.welcomed': { actions: ['welcome', 'schedule'] },
        'slave.disconnected': { target: 'SUSPENDED', actions: ['noteGone'] },
        'slave.left': { target: 'OFFLINE', actions: ['noteGone', 'giveUpAttempts'] },
        'lease.expired': { target: 'OFFLINE', actions: ['noteGone', 'noteLoss', 'giveUpAttempts'] },
      },
    },
    /** A blink of the network is forgiven until its lease is over. */
    SUSPENDED: {
      on: {
        'slave.welcomed': { target: 'ONLINE', actions: ['welcome', 'schedule'] },
        'slave.left': { target: 'OFFLINE', actions: ['noteGone', 'giveUpAttempts'] },
        'lease.expired': { target: 'OFFLINE', actions: ['noteLoss', 'giveUpAttempts'] },
      },
    },
  },
});
