import type { HistoryEvent } from '../protocol/http.ts';
import type { Watcher } from '../protocol/service.ts';
import { keys } from './records.ts';
import type { EventRecord } from './records.ts';
import { historyOf } from './status.ts';
import type { StateStore } from './store/port.ts';
import type { Yard } from './yard.ts';

const PAGE = 500;

/** Gives each watcher every event after its `since`, once and in order: the store's, then live. */
export function makeWatch(yard: Yard, store: StateStore) {
  const watchers = new Set<(events: EventRecord[]) => void>();
  yard.onEvents((events) => {
    for (const watcher of watchers) watcher(events);
  });

  return async (
    since: number | undefined,
    onEvents: (events: HistoryEvent[]) => void,
  ): Promise<Watcher> => {
    let at = since ?? Infinity;
    let live: EventRecord[] | undefined = [];
    let stopped = false;
    const listen = (events: EventRecord[]) => {
      if (live) live.push(...events);
      else onEvents(events.map(historyOf));
    };
    watchers.add(listen);
    const stop = () => {
      stopped = true;
      watchers.delete(listen);
    };
    if (since !== undefined) await replay();
    const missed = live.filter(({ seq }) => at === Infinity || seq > at);
    live = undefined;
    if (missed.length > 0) onEvents(missed.map(historyOf));
    return { stop };

    async function replay(): Promise<void> {
      for (let page = [] as EventRecord[]; !stopped;) {
        page = [];
        const range = { gte: keys.event(at + 1), lt: 'event0', limit: PAGE };
        for await (const { value } of store.scan(range))
          page.push(yard.ledger.codec.unpack<EventRecord>(value));
        if (page.length === 0) return;
        at = page.at(-1)!.seq;
        onEvents(page.map(historyOf));
        if (page.length < PAGE) return;
      }
    }
  };
}
