/** The machines' charts, each loaded when it is first shown. */
import type { DrawnChart, Shape } from './chart.ts';
import { useLoaded } from './load.tsx';
import { useMedia } from './use.ts';

type Loader = () => Promise<{ default: DrawnChart }>;

const LOADERS: Record<string, Record<Shape, Loader>> = {
  run: {
    wide: () => import('virtual:chart/run/wide'),
    narrow: () => import('virtual:chart/run/narrow'),
  },
  job: {
    wide: () => import('virtual:chart/job/wide'),
    narrow: () => import('virtual:chart/job/narrow'),
  },
  slave: {
    wide: () => import('virtual:chart/slave/wide'),
    narrow: () => import('virtual:chart/slave/narrow'),
  },
  agent: {
    wide: () => import('virtual:chart/agent/wide'),
    narrow: () => import('virtual:chart/agent/narrow'),
  },
};

export const MACHINES = Object.keys(LOADERS);

/** On what is narrower the wide picture would be too small to be read. */
const NARROW = '(max-width: 1200px)';

/** The chart of that machine in the shape that fits; undefined until it is here, or for none. */
export function useChart(name: () => string): () => DrawnChart | undefined {
  const isNarrow = useMedia(NARROW);
  return useLoaded(
    () => ({ name: name(), shape: isNarrow() ? ('narrow' as const) : ('wide' as const) }),
    async (wanted) => (await LOADERS[wanted.name]?.[wanted.shape]())?.default,
  );
}
