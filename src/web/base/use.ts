/** What components share: answers that stay fresh, the time, what is read out. */
import { createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js';
import type { Accessor } from 'solid-js';
import type { HistoryEvent } from '../../protocol/http.ts';
import { ApiError, askJson, token } from './api.ts';
import { every, throttled, wall } from './clock.ts';
import { listen } from './live.ts';

export interface Answer<T> {
  /** The latest answer; stays while the next is on its way. */
  data: Accessor<T | undefined>;
  error: Accessor<ApiError | undefined>;
  refresh: () => void;
}

/**
 * The answer to a path, asked anew when the path changes. `refreshOn` says which live events make
 * it old; it is then asked at most each `everyMs`.
 */
export function useAnswer<T>(
  pathOf: () => string | undefined,
  options: {
    refreshOn?: (event: HistoryEvent) => boolean;
    everyMs?: number;
    /** Asked again after so long, whatever happens, unless there is no need. */
    pollMs?: number;
    needsPoll?: () => boolean;
  } = {},
): Answer<T> {
  // It may be made of the address, of which other parts change, too.
  const path = createMemo(pathOf);
  const [data, setData] = createSignal<T>();
  const [error, setError] = createSignal<ApiError>();
  let controller = new AbortController();

  async function load(): Promise<void> {
    const asked = path();
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    if (asked === undefined) return;
    try {
      const answer = await askJson<T>(asked, { signal });
      if (signal.aborted) return;
      setData(() => answer);
      setError(undefined);
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof ApiError)) throw thrown;
      setError(thrown);
    }
  }

  createEffect(
    on([path, token], ([now], before) => {
      if (before !== undefined && before[0] !== now) setData(undefined);
      void load();
    }),
  );
  const soon = throttled(options.everyMs ?? 150, () => void load());
  const { refreshOn } = options;
  const stop = listen((events) => {
    if (refreshOn && events.some(refreshOn)) soon.call();
  }, soon.call);
  const { pollMs, needsPoll = () => true } = options;
  if (pollMs !== undefined) onCleanup(every(pollMs, () => needsPoll() && void load()));
  onCleanup(() => {
    stop();
    soon.stop();
    controller.abort();
  });
  return { data, error, refresh: () => void load() };
}

/** The time, looked at each `ms`: for ages that grow. */
export function useNow(ms = 1000): Accessor<number> {
  const [now, setNow] = createSignal(wall());
  onCleanup(every(ms, () => setNow(wall())));
  return now;
}

const [announced, setAnnounced] = createSignal('');
export { announced };

/** Read out to those who do not see the page. */
export function announce(text: string): void {
  setAnnounced((before) => (before === text ? `${text}\u00a0` : text));
}

/** One line at the foot of the page, and read out. */
const [notice, setNotice] = createSignal<{ text: string; isBad: boolean }>();
export { notice };

export function tell(text: string, isBad = false): void {
  setNotice({ text, isBad });
  announce(text);
}

export function dismissNotice(): void {
  setNotice(undefined);
}

/** Does something that may be refused, and says how it went. */
export async function attempt(act: () => Promise<string>): Promise<boolean> {
  try {
    tell(await act());
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    tell(`${error.code}: ${error.message}${error.hint ? ` (${error.hint})` : ''}`, true);
    return false;
  }
}

export function useMedia(query: string): () => boolean {
  const media = window.matchMedia(query);
  const [fits, setFits] = createSignal(media.matches);
  const read = () => setFits(media.matches);
  media.addEventListener('change', read);
  onCleanup(() => media.removeEventListener('change', read));
  return fits;
}
