import type { HistoryEvent } from '../protocol/http.ts';
import { isDone } from '../protocol/run.ts';
import type { WatchFilter, Watcher } from '../protocol/service.ts';
import type { Archive } from './archive.ts';
import type { EventRecord } from './records.ts';
import { endOf, historyOf } from './status.ts';
import type { Yard } from './yard.ts';

/** Gives each watcher every event after its `since`, once and in order: the store's, then live. */
export function makeWatch(yard: Yard, archive: Archive) {
  const watchers = new Set<(events: EventRecord[]) => void>();
  yard.onEvents((events) => {
    for (const watcher of watchers) watcher(events);
  });

  return async (
    since: number | undefined,
    onEvents: (events: HistoryEvent[]) => void,
    wanted: WatchFilter = {},
  ): Promise<Watcher> => {
    let at = since ?? 0;
    let held: EventRecord[] | undefined = [];
    let stopped = false;
    /** The store may show an event before it is published: each is told once. */
    const tell = (events: EventRecord[]) => {
      const fresh = events.filter(({ seq }) => seq > at);
      if (fresh.length === 0) return;
      at = fresh.at(-1)!.seq;
      const told = fresh.filter((event) => isWanted(event, wanted));
      if (told.length > 0) onEvents(told.map(wanted.ends ? endOf : historyOf));
    };
    const listen = (events: EventRecord[]) => {
      if (held) held.push(...events);
      else tell(events);
    };
    watchers.add(listen);
    const stop = () => {
      stopped = true;
      watchers.delete(listen);
    };
    if (since !== undefined) await replay();
    const missed = held;
    held = undefined;
    tell(missed);
    return { stop };

    async function replay(): Promise<void> {
      for await (const events of archive.eventsFrom(at + 1)) {
        if (stopped) return;
        tell(events);
      }
    }
  };
}

function isWanted({ run, state }: EventRecord, wanted: WatchFilter): boolean {
  return (wanted.run === undefined || wanted.run === run) && (!wanted.ends || isDone(state));
}
