/** The machines' charts, each loaded when it is first shown. */
import type { DrawnChart } from './chart.ts';

const LOADERS: Record<string, () => Promise<{ default: DrawnChart }>> = {
  run: () => import('virtual:chart/run'),
  job: () => import('virtual:chart/job'),
  slave: () => import('virtual:chart/slave'),
  agent: () => import('virtual:chart/agent'),
};

export const MACHINES = Object.keys(LOADERS);

export async function loadChart(name: string): Promise<DrawnChart | undefined> {
  return (await LOADERS[name]?.())?.default;
}
