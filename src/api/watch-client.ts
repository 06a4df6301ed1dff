import { WebSocket } from 'ws';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { isYardError } from '../base/errors.ts';
import { WATCH_PATH } from '../protocol/http.ts';
import type { HistoryEvent } from '../protocol/http.ts';
import { unreachable } from '../protocol/unreachable.ts';
import { errorOf, queryOf } from './ask.ts';
import type { Ask } from './ask.ts';

export interface WatchQuery {
  /** The last event that is known; absent: from now on. */
  since?: number | undefined;
  run?: string | undefined;
  /** Only the events that ended a run. */
  ends?: boolean | undefined;
}

const RETRY_MS = 250;
const RETRY_MAX_MS = 5_000;
/** The master pings each 15 s: after three that did not come it is gone. */
const SILENCE_MS = 50_000;
const QUEUE_MAX = 2_000;
const ANSWER_LENGTH_MAX = 10_000;

/**
 * Events as they happen, without gap or repetition across cuts; ends on the signal. A master that
 * is not there at first, or that refuses, is an error; one that goes away later is waited for.
 */
export async function* watchEvents(
  ask: Ask,
  { since, run, ends }: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<HistoryEvent> {
  let at = since;
  let connected = false;
  let waitMs = RETRY_MS;
  while (!signal.aborted) {
    const query = queryOf({ since: at, run, ends: ends ? '1' : undefined });
    const feed = openFeed(ask, `${WATCH_PATH}${query}`, signal, eventsIn);
    try {
      await feed.opened;
      connected = true;
      for (;;) {
        const events = await feed.next();
        if (!events) break;
        waitMs = RETRY_MS;
        for (const event of events) {
          if (at !== undefined && event.seq <= at) continue;
          at = event.seq;
          yield event;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      const gone = isYardError(error) && /^(?:net|master)\./.test(error.code);
      if (!connected || !gone) throw error;
    } finally {
      feed.close();
    }
    // A sleep that the signal ends is ended by the loop's own look at it.
    await sleep(ask.clock, waitMs, signal).catch(() => undefined);
    waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
  }
}

function eventsIn(text: string): HistoryEvent[] {
  const frame = JSON.parse(text) as { type: string; events?: HistoryEvent[] };
  return frame.type === 'events' ? (frame.events ?? []) : [];
}

export interface Feed<T> {
  opened: Promise<void>;
  /** What came since the last call; undefined once the connection is gone. */
  next: () => Promise<T[] | undefined>;
  close: () => void;
}

/** A socket of the master's that only speaks; `read` says what is in one of its frames. */
export function openFeed<T>(
  { server, headers, clock }: Ask,
  path: string,
  signal: AbortSignal,
  read: (text: string) => T[],
): Feed<T> {
  const socket = new WebSocket(`${server.replace(/^http/, 'ws')}${path}`, { headers });
  let queue: T[] = [];
  let wake = () => {};
  const close = () => socket.terminate();

  const opened = new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', (error) => reject(unreachable(server, error)));
    socket.once('unexpected-response', (_request, response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        if (text.length < ANSWER_LENGTH_MAX) text += part;
      });
      response.once('close', () => {
        reject(errorOf(server, response.statusCode ?? 0, text, undefined));
        close();
      });
    });
  });
  // Once open, an error is followed by the close, which says enough.
  socket.on('error', () => {});
  socket.on('message', (data: Buffer) => {
    for (const part of read(data.toString('utf8'))) queue.push(part);
    if (queue.length > QUEUE_MAX) socket.pause();
    wake();
  });
  socket.on('close', () => wake());
  endSilence(socket, clock);
  signal.addEventListener('abort', close, { once: true });

  return {
    opened,
    async next() {
      if (queue.length === 0 && socket.readyState !== socket.CLOSED) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const events = queue;
      queue = [];
      socket.resume();
      return events.length > 0 || socket.readyState !== socket.CLOSED ? events : undefined;
    },
    close() {
      signal.removeEventListener('abort', close);
      close();
    },
  };
}

/** A connection whose other end vanished is silent, not closed. */
function endSilence(socket: WebSocket, clock: Clock): void {
  let heard = true;
  const hear = () => void (heard = true);
  socket.on('ping', hear);
  socket.on('message', hear);
  let timer = clock.setTimeout(check, SILENCE_MS);
  socket.once('close', () => timer.cancel());

  function check(): void {
    if (!heard && !socket.isPaused) return socket.terminate();
    heard = false;
    timer = clock.setTimeout(check, SILENCE_MS);
  }
}
