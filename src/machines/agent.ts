/**
 * A slave as it sees itself: its link to the master, and whether it takes work. What its attempts
 * do goes on in every state; nothing is killed because a link is gone (dst.md part 4 step 4).
 */
import { assign, setup } from 'xstate';

export interface AgentContext {
  /** The highest epoch of a master that it was welcomed by; lower ones are refused. */
  masterEpoch: number;
  /** Failed tries since the last welcome; sets the backoff. */
  tries: number;
  leaving: boolean;
}

export type AgentEvent =
  | { type: 'link.opened' }
  | { type: 'link.closed'; why: string }
  | { type: 'welcome.received'; masterEpoch: number }
  | { type: 'refusal.received'; code: string }
  | { type: 'retry.due' }
  | { type: 'leave.requested' }
  | { type: 'attempts.over' };

export type AgentEffect =
  | 'connect'
  | 'sendHello'
  | 'resendReports'
  | 'waitToRetry'
  | 'closeLink'
  | 'exit';

/** Wraps a pure change of the context for the events that it is used with. */
function change<T extends AgentEvent['type'] = AgentEvent['type']>(
  update: (context: AgentContext, event: Extract<AgentEvent, { type: T }>) => Partial<AgentContext>,
) {
  return assign<AgentContext, AgentEvent, undefined, AgentEvent, never>(({ context, event }) =>
    update(context, event as Extract<AgentEvent, { type: T }>),
  );
}

export const agentMachine = setup({
  types: {
    context: {} as AgentContext,
    events: {} as AgentEvent,
    input: {} as { masterEpoch: number },
  },
  guards: {
    isOldMaster: ({ context, event }) =>
      event.type === 'welcome.received' && event.masterEpoch < context.masterEpoch,
  },
  actions: {
    noteMaster: change<'welcome.received'>((_, { masterEpoch }) => ({ masterEpoch, tries: 0 })),
    countTry: change((context) => ({ tries: context.tries + 1 })),
    leave: change(() => ({ leaving: true })),
    connect: () => {},
    sendHello: () => {},
    resendReports: () => {},
    waitToRetry: () => {},
    closeLink: () => {},
    exit: () => {},
  },
}).createMachine({
  id: 'agent',
  context: ({ input }) => ({ masterEpoch: input.masterEpoch, tries: 0, leaving: false }),
  initial: 'WAITING',
  on: {
    'leave.requested': { actions: ['leave'] },
    'attempts.over': { target: '.GONE', actions: ['closeLink', 'exit'] },
  },
  states: {
    WAITING: { on: { 'retry.due': { target: 'CONNECTING', actions: ['connect'] } } },
    CONNECTING: {
      on: {
        'link.opened': { target: 'GREETING', actions: ['sendHello'] },
        'link.closed': { target: 'WAITING', actions: ['countTry', 'waitToRetry'] },
      },
    },
    /** HELLO is out; nothing else is sent before the welcome. */
    GREETING: {
      on: {
        'welcome.received': [
          {
            guard: 'isOldMaster',
            target: 'WAITING',
            actions: ['countTry', 'closeLink', 'waitToRetry'],
          },
          { target: 'SERVING', actions: ['noteMaster', 'resendReports'] },
        ],
        'refusal.received': {
          target: 'WAITING',
          actions: ['countTry', 'closeLink', 'waitToRetry'],
        },
        'link.closed': { target: 'WAITING', actions: ['countTry', 'waitToRetry'] },
      },
    },
    SERVING: {
      on: { 'link.closed': { target: 'WAITING', actions: ['countTry', 'waitToRetry'] } },
    },
    GONE: { type: 'final' },
  },
});
