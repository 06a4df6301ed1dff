/** What a slave has to say to its master, in as few frames as the waiting of the master allows. */
import type { Clock, Timer } from '../base/clock.ts';
import type { ToMaster } from '../protocol/to-master.ts';

/** With as many attempts at once, messages are gathered: each frame is a commit for the master. */
const BUSY_ATTEMPTS = 8;
/** Until there are half as many as attempts, or for so long. */
const BUSY_DELAY_MS = 6;
/** News that nobody waits for goes with the next message, or after so long. */
const PROGRESS_DELAY_MS = 10;

export interface Outbox {
  put: (message: ToMaster) => void;
  /** A task that ends within moments costs the master one frame, not two. */
  putSoon: (message: ToMaster) => void;
  /** Forgets what was not sent. */
  clear: () => void;
}

/** `attempts`: how many there are now. */
export function makeOutbox(
  clock: Clock,
  attempts: () => number,
  deliver: (messages: ToMaster[]) => void,
): Outbox {
  let messages: ToMaster[] = [];
  let isGoing = false;
  let gathering: Timer | undefined;
  let progress: Timer | undefined;

  function flush(): void {
    isGoing = false;
    gathering?.cancel();
    progress?.cancel();
    gathering = progress = undefined;
    const all = messages;
    messages = [];
    if (all.length > 0) deliver(all);
  }

  return {
    put(message) {
      messages.push(message);
      if (isGoing) return;
      isGoing = attempts() < BUSY_ATTEMPTS || messages.length * 2 >= attempts();
      if (isGoing) clock.soon(flush);
      else gathering ??= clock.setTimeout(flush, BUSY_DELAY_MS);
    },
    putSoon(message) {
      messages.push(message);
      if (!isGoing) progress ??= clock.setTimeout(flush, PROGRESS_DELAY_MS);
    },
    clear: () => void (messages = []),
  };
}
