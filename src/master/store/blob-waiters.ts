import type { Key } from './port.ts';

/** Those who wait for a blob to change. */
export interface Waiters {
  /** Waits from the moment of the call, so that nothing between it and a later read is missed. */
  wait: (key: Key, signal: AbortSignal) => Promise<void>;
  wake: (key: Key) => void;
  wakeIf: (matches: (key: Key) => boolean) => void;
}

export function makeWaiters(): Waiters {
  const waiting = new Map<Key, Set<() => void>>();

  function wake(key: Key): void {
    const woken = waiting.get(key);
    waiting.delete(key);
    for (const resume of woken ?? []) resume();
  }

  return {
    wait(key, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const others = waiting.get(key) ?? new Set();
        waiting.set(key, others);
        const resume = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = () => {
          others.delete(resume);
          if (others.size === 0 && waiting.get(key) === others) waiting.delete(key);
          resolve();
        };
        others.add(resume);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    wake,
    wakeIf(matches) {
      for (const key of waiting.keys()) if (matches(key)) wake(key);
    },
  };
}
