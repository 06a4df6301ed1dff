import { INSPECT_PATH } from '../protocol/devtools.ts';
import type { TicketAnswer } from '../protocol/devtools.ts';
import { queryOf } from './ask.ts';
import type { Ask } from './ask.ts';
import { openFeed } from './watch-client.ts';

export interface InspectQuery {
  run?: string | undefined;
  since?: number | undefined;
}

/** Frames of the Stately protocol, each as its text; ends with the connection or the signal. */
export async function* inspectFrames(
  ask: Ask,
  { run, since }: InspectQuery,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { ticket } = await ask.json<TicketAnswer>('POST', '/api/tickets');
  const path = `${INSPECT_PATH}${queryOf({ ticket, run, since })}`;
  const feed = openFeed(ask, path, signal, (text) => [text]);
  try {
    await feed.opened;
    for (let frames = await feed.next(); frames; frames = await feed.next()) yield* frames;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    feed.close();
  }
}
