/** Runs page by page, newest first, kept fresh by what happens. */
import { createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js';
import type { Accessor } from 'solid-js';
import type { RunStatus } from '../../protocol/run.ts';
import { ApiError, askJson, token } from '../base/api.ts';
import { throttled } from '../base/clock.ts';
import { listen } from '../base/live.ts';
import { withEvents, withNewest } from './merge.ts';

const PAGE = 1000;
/** What is asked for anew when something happens. */
const NEWEST = 100;
const REFRESH_MS = 1000;

export interface RunList {
  runs: Accessor<readonly RunStatus[]>;
  hasMore: Accessor<boolean>;
  isLoading: Accessor<boolean>;
  error: Accessor<ApiError | undefined>;
  /** Asks for the next page, unless it is on its way. */
  more: () => void;
  refresh: () => void;
}

export function useRuns(pathOf: () => string): RunList {
  const path = createMemo(pathOf);
  const [runs, setRuns] = createSignal<readonly RunStatus[]>([]);
  const [hasMore, setHasMore] = createSignal(false);
  const [isLoading, setLoading] = createSignal(true);
  const [error, setError] = createSignal<ApiError>();
  let controller = new AbortController();

  async function load(query: string, take: (page: readonly RunStatus[]) => void): Promise<void> {
    const { signal } = controller;
    try {
      const page = await askJson<RunStatus[]>(`${path()}${query}`, { signal });
      if (signal.aborted) return;
      take(page);
      setError(undefined);
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof ApiError)) throw thrown;
      setError(thrown);
    } finally {
      if (!signal.aborted) setLoading(false);
    }
  }

  const start = () => {
    controller.abort();
    controller = new AbortController();
    setLoading(true);
    return load(`&limit=${PAGE}`, (page) => {
      setRuns(page);
      setHasMore(page.length === PAGE);
    });
  };
  const more = () => {
    const last = runs().at(-1);
    if (!hasMore() || isLoading() || !last) return;
    setLoading(true);
    void load(`&limit=${PAGE}&before=${last.runId}`, (page) => {
      setRuns((before) => [...before, ...page]);
      setHasMore(page.length === PAGE);
    });
  };
  createEffect(
    on([path, token], () => {
      setRuns([]);
      void start();
    }),
  );
  const soon = throttled(
    REFRESH_MS,
    () => void load(`&limit=${NEWEST}`, (page) => setRuns((before) => withNewest(before, page))),
  );
  const stop = listen(
    (events) => {
      setRuns((before) => withEvents(before, events));
      soon.call();
    },
    () => void start(),
  );
  onCleanup(() => {
    stop();
    soon.stop();
    controller.abort();
  });
  return { runs, hasMore, isLoading, error, more, refresh: () => void start() };
}
