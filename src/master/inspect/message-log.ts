/** The messages that came in last, with what each started or why it did not. In memory. */
import type { Clock } from '../../base/clock.ts';
import { isYardError, messageOf } from '../../base/errors.ts';
import type { Ids } from '../../base/random.ts';
import { formatInstant } from '../../base/units.ts';
import type { MessageView } from '../../protocol/devtools.ts';
import type { MessageTaker } from '../messages.ts';

export interface MessageLog {
  /** Takes messages as `taker` does, and notes each. */
  noting: (taker: MessageTaker) => MessageTaker;
  /** Newest first. */
  list: (limit: number) => MessageView[];
}

const MESSAGES_MAX = 500;
const TOPIC_CHARS_MAX = 200;

export function makeMessageLog({ clock, ids }: { clock: Clock; ids: Ids }): MessageLog {
  const views: MessageView[] = [];

  function note(view: MessageView): void {
    views.push(view);
    if (views.length > MESSAGES_MAX) views.shift();
  }

  return {
    noting: (taker) => async (raw, by) => {
      const wallMs = clock.wall();
      const topic = topicOf(raw);
      const view: MessageView = {
        id: ids.sortable(wallMs),
        at: formatInstant(wallMs),
        by: by.name,
        ...(topic === undefined ? {} : { topic }),
      };
      try {
        const outcome = await taker(raw, by);
        note({ ...view, outcome });
        return outcome;
      } catch (error) {
        const code = isYardError(error) ? error.code : 'internal.handler';
        const message = isYardError(error) ? error.what : messageOf(error);
        note({ ...view, error: { code, message } });
        throw error;
      }
    },
    list: (limit) => views.slice(-limit).reverse(),
  };
}

/** Of a message that may be anything at all. */
function topicOf(raw: unknown): string | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { topic } = raw as { topic?: unknown };
  return typeof topic === 'string' ? topic.slice(0, TOPIC_CHARS_MAX) : undefined;
}
