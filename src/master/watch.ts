import type { HistoryEvent } from '../protocol/http.ts';
import { isDone } from '../protocol/run.ts';
import type { WatchFilter, Watcher } from '../protocol/service.ts';
import type { Feed } from './feed.ts';
import type { EventRecord } from './records.ts';
import { endOf, historyOf } from './status.ts';

/** Gives each watcher every event that it wants after its `since`, once and in order. */
export function makeWatch(feed: Feed) {
  return (
    since: number | undefined,
    onEvents: (events: HistoryEvent[]) => void,
    wanted: WatchFilter = {},
  ): Promise<Watcher> =>
    feed.follow(since, (events) => {
      const told = events.filter((event) => isWanted(event, wanted));
      if (told.length > 0) onEvents(told.map(wanted.ends ? endOf : historyOf));
    });
}

function isWanted({ run, state }: EventRecord, wanted: WatchFilter): boolean {
  return (wanted.run === undefined || wanted.run === run) && (!wanted.ends || isDone(state));
}
