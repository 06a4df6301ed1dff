/** The events that the store holds: of a run, or from a number on. */
import { YardError } from '../base/errors.ts';
import { keys } from './records.ts';
import type { EventRecord, RunRecord } from './records.ts';
import { unpackEvents } from './rows.ts';
import type { StateStore } from './store/port.ts';

export interface History {
  historyOf: (run: RunRecord) => Promise<EventRecord[]>;
  /** Events from `seq` on in pages, each as they were decided together. */
  eventsFrom: (seq: number) => AsyncGenerator<EventRecord[]>;
  findEvent: (seq: number) => Promise<EventRecord | undefined>;
  /** The number of the last event. */
  lastSeq: () => Promise<number>;
}

export function makeHistory(store: Pick<StateStore, 'scan'>): History {
  /** The last events that were decided together before that key. */
  async function lastBefore(lt: string): Promise<EventRecord[]> {
    const range = { gte: 'event/', lt, reverse: true, limit: 1 };
    for await (const { value } of store.scan(range)) return unpackEvents(value);
    return [];
  }

  return {
    async historyOf(run) {
      const found: EventRecord[] = [];
      let page: EventRecord[] = [];
      for (const seq of run.events) {
        const isIn = page.length > 0 && seq >= page[0]!.seq && seq <= page.at(-1)!.seq;
        if (!isIn) page = await lastBefore(keys.events(seq + 1));
        const event = page[seq - (page[0]?.seq ?? 0)];
        if (event?.run !== run.id) {
          throw new YardError('store.corrupt', `run ${run.id} misses a part of its history`);
        }
        found.push(event);
      }
      return found;
    },
    async findEvent(seq) {
      const page = await lastBefore(keys.events(seq + 1));
      return page.find((event) => event.seq === seq);
    },
    async *eventsFrom(seq) {
      const [first] = await lastBefore(keys.events(seq + 1));
      const gte = keys.events(first ? first.seq : seq);
      for await (const { value } of store.scan({ gte, lt: 'event0' })) {
        const events = unpackEvents(value).filter((event) => event.seq >= seq);
        if (events.length > 0) yield events;
      }
    },
    async lastSeq() {
      return (await lastBefore('event0')).at(-1)?.seq ?? 0;
    },
  };
}
