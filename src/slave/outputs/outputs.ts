import { ChurnMap } from '../../base/churn-map.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { AttemptKey, OutputSink, Outputs } from '../ports.ts';
import { type Tail, makeTail } from './tail.ts';

export interface OutputsOptions {
  sink: OutputSink;
  clock: Clock;
  log: Log;
  /** How often quiet files are looked at. */
  pollMs?: number;
}

/** How often files are looked at that grow fast. */
const FAST_MS = 15;

/**
 * Follows the output files of many attempts with one timer. An attempt that ends before the
 * timer comes round costs no more than a look at its two files.
 */
export function makeOutputs(options: OutputsOptions): Outputs {
  const { sink, clock, log, pollMs = 100 } = options;
  const followed = new ChurnMap<AttemptKey, Tail>();
  let fast = new Set<Tail>();
  let timer: Timer | undefined;
  let roundAt = 0;

  function tick(): void {
    timer = undefined;
    const isRound = clock.now() >= roundAt;
    if (isRound) roundAt = clock.now() + pollMs;
    const due = [...(isRound ? followed.values() : fast)];
    fast = new Set(due.filter((tail) => followed.get(tail.key) === tail && tail.poll()));
    arm();
  }

  function arm(): void {
    if (timer || followed.size === 0) return;
    const restMs = Math.max(0, roundAt - clock.now());
    timer = clock.setTimeout(tick, fast.size > 0 ? Math.min(FAST_MS, restMs) : restMs);
  }

  return {
    follow(key, files, limitBytes, sinkSizes) {
      const onEnd = () => void followed.delete(key);
      const append = sink.append.bind(sink, key);
      const rest = { append, files, limitBytes, sinkSizes, onEnd };
      const tail: Tail = makeTail({ clock, log, key, ...rest });
      if (followed.size === 0 && !timer) roundAt = clock.now() + pollMs;
      followed.set(key, tail);
      arm();
      return tail;
    },
  };
}
