/** Wakes those in this process who wait for a topic; a wake says that something is new, not what. */
export interface Topics {
  notify: (topics: readonly string[]) => void;
  /** Watches from this call on; notifies that come close together yield once. Ends on the signal. */
  watch: (topic: string, signal: AbortSignal) => AsyncIterable<void>;
}

export function makeTopics(): Topics {
  const wakersOf = new Map<string, Set<() => void>>();

  function join(topic: string, wake: () => void): () => void {
    const wakers = wakersOf.get(topic) ?? new Set();
    wakersOf.set(topic, wakers.add(wake));
    return () => {
      wakers.delete(wake);
      if (wakers.size === 0 && wakersOf.get(topic) === wakers) wakersOf.delete(topic);
    };
  }

  function watch(topic: string, signal: AbortSignal): AsyncIterable<void> {
    let pending = false;
    let wake: (() => void) | undefined;
    const leave = join(topic, () => {
      pending = true;
      wake?.();
    });
    const onAbort = () => {
      leave();
      wake?.();
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', onAbort, { once: true });

    async function* wakes(): AsyncGenerator<void> {
      try {
        while (!signal.aborted) {
          if (!pending) await new Promise<void>((resolve) => (wake = resolve));
          if (signal.aborted) return;
          pending = false;
          yield;
        }
      } finally {
        leave();
        signal.removeEventListener('abort', onAbort);
      }
    }
    return wakes();
  }

  return {
    notify(topics) {
      for (const topic of topics) for (const wake of wakersOf.get(topic) ?? []) wake();
    },
    watch,
  };
}
