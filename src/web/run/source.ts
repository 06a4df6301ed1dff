/** A run as its tabs show it: asked from the master, or read from an exported history. */
import { createMemo } from 'solid-js';
import type { Accessor } from 'solid-js';
import type { RunStep } from '../../protocol/devtools.ts';
import { isDone } from '../base/words.ts';
import type { RunStatus } from '../../protocol/run.ts';
import type { ApiError } from '../base/api.ts';
import { segment } from '../base/api.ts';
import { query, setQuery } from '../base/router.ts';
import { useAnswer } from '../base/use.ts';

export interface RunSource {
  id: string;
  /** Where its tabs are: `/runs/ID`. */
  base: string;
  run: Accessor<RunStatus | undefined>;
  /** Every event of its history, oldest first. */
  steps: Accessor<readonly RunStep[]>;
  /** The same with the heartbeats between them. */
  withNoise: Accessor<readonly RunStep[]>;
  error: Accessor<ApiError | undefined>;
  refresh: () => void;
  /** False for what was read from a file: nothing can be done to it. */
  isOnline: boolean;
}

/** Whether heartbeats are shown one by one: `?noise=1`. Else those in a row are folded into one. */
export function showsNoise(): boolean {
  return query('noise') === '1';
}

const NO_STEPS: readonly RunStep[] = [];
/** Heartbeats are no events of a run, so none tells of them. */
const HEARTBEATS_MS = 3000;

export function useRun(id: string): RunSource {
  const path = `/api/runs/${segment(id)}`;
  const concerns = { refreshOn: ({ runId }: { runId: string }) => runId === id };
  const run = useAnswer<RunStatus>(() => path, concerns);
  const steps = useAnswer<RunStep[]>(() => `${path}/events?noise=1`, {
    ...concerns,
    pollMs: HEARTBEATS_MS,
    needsPoll: () => run.data()?.state === 'RUNNING',
  });
  return {
    id,
    base: `/runs/${segment(id)}`,
    run: run.data,
    steps: createMemo(() => withoutNoise(steps.data() ?? NO_STEPS)),
    withNoise: () => steps.data() ?? NO_STEPS,
    error: () => run.error() ?? steps.error(),
    refresh() {
      run.refresh();
      steps.refresh();
    },
    isOnline: true,
  };
}

export function withoutNoise(steps: readonly RunStep[]): readonly RunStep[] {
  return steps.filter(({ noise }) => !noise);
}

export interface Travel {
  /** Which step is shown; -1 where there is none. */
  index: Accessor<number>;
  step: Accessor<RunStep | undefined>;
  /** Whether the newest step is shown, whatever comes. */
  isLive: Accessor<boolean>;
  goTo: (index: number) => void;
  by: (count: number) => void;
  /** To the next step, or the one before, that changed the state. */
  byState: (direction: 1 | -1) => void;
  toLive: () => void;
}

/** The moment that is shown: `?at=SEQ` in the address, or the newest. */
export function useTravel(steps: Accessor<readonly RunStep[]>): Travel {
  const isLive = () => query('at') === undefined;
  const index = createMemo(() => {
    const at = query('at');
    if (at === undefined) return steps().length - 1;
    const found = steps().findLastIndex(({ seq }) => seq <= Number(at));
    return steps().length === 0 ? -1 : Math.max(0, found);
  });
  const goTo = (wanted: number) => {
    const step = steps()[Math.min(steps().length - 1, Math.max(0, wanted))];
    if (step) setQuery({ at: String(step.seq) });
  };
  return {
    index,
    step: () => steps()[index()],
    isLive,
    goTo,
    by: (count) => goTo(index() + count),
    byState(direction) {
      const all = steps();
      let next = index() + direction;
      while (all[next] && all[next]!.before === all[next]!.after) next += direction;
      goTo(next);
    },
    toLive: () => setQuery({ at: undefined }),
  };
}

/** Whether more will happen to it. */
export function isOver(run: RunStatus | undefined): boolean {
  return run !== undefined && isDone(run.state);
}
