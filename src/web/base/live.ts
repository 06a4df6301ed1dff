/**
 * Events as they happen, over one WebSocket for the whole page. What comes within a tenth of a
 * second is handed on together, so that a thousand events a second cost ten updates.
 */
import { createSignal } from 'solid-js';
import type { HistoryEvent } from '../../protocol/http.ts';
import { needsToken, token } from './api.ts';
import { after } from './clock.ts';

const BATCH_MS = 100;
const RETRY_MS = 250;
const RETRY_MAX_MS = 3000;

const [isLive, setLive] = createSignal(false);
export { isLive };

interface Listener {
  onEvents: (events: readonly HistoryEvent[]) => void;
  /** The connection is there again: what was shown may be old. */
  onResumed: () => void;
}

const listeners = new Set<Listener>();
let queue: HistoryEvent[] = [];
let flushing = false;
let lastSeq: number | undefined;
let started = false;

/** Until called off. `onResumed` is called after each connection but the first. */
export function listen(
  onEvents: Listener['onEvents'],
  onResumed: () => void = () => {},
): () => void {
  const listener = { onEvents, onResumed };
  listeners.add(listener);
  if (!started) {
    started = true;
    connect(RETRY_MS, true);
  }
  return () => listeners.delete(listener);
}

function connect(retryMs: number, isFirst: boolean): void {
  const { protocol, host } = window.location;
  const query = new URLSearchParams();
  if (lastSeq !== undefined) query.set('since', String(lastSeq));
  if (token() !== '') query.set('token', token());
  const scheme = protocol === 'https:' ? 'wss' : 'ws';
  const socket = new WebSocket(`${scheme}://${host}/api/watch?${query}`);
  let wasOpen = false;
  socket.addEventListener('message', ({ data }) => {
    const frame = JSON.parse(String(data)) as { type: string; events?: HistoryEvent[] };
    if (frame.type === 'hello') {
      wasOpen = true;
      setLive(true);
      if (!isFirst) for (const { onResumed } of listeners) onResumed();
    }
    if (frame.events) take(frame.events);
  });
  socket.addEventListener('close', () => {
    setLive(false);
    const next = wasOpen ? RETRY_MS : Math.min(retryMs * 2, RETRY_MAX_MS);
    const again = () => {
      // A master that wants a token would count each try as one that failed.
      if (needsToken()) after(RETRY_MS, again);
      else connect(next, isFirst && !wasOpen);
    };
    after(next, again);
  });
}

function take(events: readonly HistoryEvent[]): void {
  for (const event of events) {
    if (lastSeq !== undefined && event.seq <= lastSeq) continue;
    lastSeq = event.seq;
    queue.push(event);
  }
  if (flushing) return;
  flushing = true;
  after(BATCH_MS, () => {
    flushing = false;
    const batch = queue;
    queue = [];
    for (const { onEvents } of listeners) onEvents(batch);
  });
}
