/** Runs page by page, newest first, kept fresh by what happens. */
import { createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js';
import type { Accessor } from 'solid-js';
import type { RunStatus } from '../../protocol/run.ts';
import { ApiError, ask, token } from '../base/api.ts';
import { throttled } from '../base/clock.ts';
import { listen } from '../base/live.ts';
import { withEvents, withNewest } from './merge.ts';

const PAGE = 1000;
/** How many the master looks at for one answer. */
const SCAN = 20_000;
/** What is asked for anew when something happens. */
const NEWEST = 100;
const REFRESH_MS = 1000;

export interface RunList {
  runs: Accessor<readonly RunStatus[]>;
  hasMore: Accessor<boolean>;
  /** The master looked at enough for once: what is older than this was not searched yet. */
  searchedTo: Accessor<string | undefined>;
  isLoading: Accessor<boolean>;
  error: Accessor<ApiError | undefined>;
  /** Asks for the next page, unless it is on its way. */
  more: () => void;
  refresh: () => void;
}

interface Page {
  runs: readonly RunStatus[];
  /** Where the search stopped for once. */
  next?: string | undefined;
  /** The eldest id that was looked at; absent where all were. */
  downTo?: string | undefined;
}

export function useRuns(pathOf: () => string): RunList {
  const path = createMemo(pathOf);
  const [runs, setRuns] = createSignal<readonly RunStatus[]>([]);
  const [end, setEnd] = createSignal<Pick<Page, 'next' | 'downTo'>>({});
  const [isLoading, setLoading] = createSignal(true);
  const [error, setError] = createSignal<ApiError>();
  let controller = new AbortController();

  async function load(limit: number, query: string, take: (page: Page) => void): Promise<void> {
    const { signal } = controller;
    try {
      const page = await askPage(`${path()}${query}`, limit, signal);
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
    return load(PAGE, '', (page) => {
      setRuns(page.runs);
      setEnd(page);
    });
  };
  const more = () => {
    const { downTo } = end();
    if (downTo === undefined || isLoading()) return;
    setLoading(true);
    void load(PAGE, `&before=${downTo}`, (page) => {
      setRuns((before) => [...before, ...page.runs]);
      setEnd(page);
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
    () =>
      void load(NEWEST, '', ({ runs: newest, downTo = '' }) =>
        setRuns((before) => withNewest(before, newest, downTo)),
      ),
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
  const hasMore = () => end().downTo !== undefined;
  const searchedTo = () => end().next;
  return { runs, hasMore, searchedTo, isLoading, error, more, refresh: () => void start() };
}

async function askPage(path: string, limit: number, signal: AbortSignal): Promise<Page> {
  const answer = await ask(`${path}&limit=${limit}&scan=${SCAN}`, { signal });
  const runs = (await answer.json()) as RunStatus[];
  const next = answer.headers.get('runyard-next') ?? undefined;
  return { runs, next, downTo: runs.length === limit ? runs.at(-1)!.runId : next };
}
