import type { Archive } from './archive.ts';
import type { EventRecord, RunRecord } from './records.ts';
import type { Yard } from './yard.ts';

/** `steps` are the runs after each of the events; absent where these come from the store. */
export type FeedListener = (
  events: readonly EventRecord[],
  steps?: readonly RunRecord[],
) => void | Promise<void>;

export interface Feed {
  /**
   * Calls back with every event after `since`, once and in order: the store's, then live;
   * `undefined`: from now on. Resolves when the live ones are reached; waits for the listener only
   * until then.
   */
  follow: (since: number | undefined, listener: FeedListener) => Promise<{ stop: () => void }>;
  /** How many follow now. */
  count: () => number;
}

export function makeFeed(yard: Yard, archive: Archive): Feed {
  const followers = new Set<FeedListener>();
  yard.onEvents((events, steps) => {
    for (const follower of followers) void follower(events, steps);
  });

  return {
    count: () => followers.size,
    async follow(since, listener) {
      let at = since ?? 0;
      let held: { events: readonly EventRecord[]; steps: readonly RunRecord[] | undefined }[] = [];
      let isLive = false;
      let stopped = false;
      /** The store may show an event before it is published: each is told once. */
      const tell: FeedListener = (events, steps) => {
        const first = events.findIndex(({ seq }) => seq > at);
        if (first < 0 || stopped) return;
        at = events.at(-1)!.seq;
        return first === 0
          ? listener(events, steps)
          : listener(events.slice(first), steps?.slice(first));
      };
      const hear: FeedListener = (events, steps) => {
        if (isLive) return tell(events, steps);
        held.push({ events, steps });
      };
      followers.add(hear);
      const stop = () => {
        stopped = true;
        followers.delete(hear);
      };
      if (since !== undefined) await replay();
      for (const { events, steps } of held) void tell(events, steps);
      held = [];
      isLive = true;
      return { stop };

      /** What cannot be read is not followed either: nobody would take what is held. */
      async function replay(): Promise<void> {
        try {
          for await (const events of archive.eventsFrom(at + 1)) {
            if (stopped) return;
            await tell(events);
          }
        } catch (error) {
          stop();
          throw error;
        }
      }
    },
  };
}
