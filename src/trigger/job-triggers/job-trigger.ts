/** What turns a message into job data: the facts that rules ask about and tasks are run on. */
import type { Message } from '../envelope.ts';

export interface JobData {
  /** The message it was drawn from, as it came. */
  _msg: unknown;
  message_type: string;
  item: string;
  item_type: string;
  name: string;
  version: string;
  release: string;
  [more: string]: unknown;
}

/** One message may be about several items; one that is about none says why. */
export type Drawn = { data: JobData[] } | { discarded: string };

export interface JobTrigger {
  name: string;
  /** Beginnings of topics; the empty one is every topic's. */
  topics: readonly string[];
  draw: (message: Message) => Drawn;
}
